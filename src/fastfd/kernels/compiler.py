"""How kernels are compiled: numba's front end without what they have no use for, and each kernel linked once.

A *kernel* is entered by its address, a *gate* is called from Python, and their *parts* (helpers) are called by both. numba
optimises, and turns into machine code, every function that another calls, then once more as a part of its caller, and
so on up to the kernel. Here a part is only translated to LLVM's language; it waits as text for the kernel that it is
linked into. The code that comes out is the same; ``docs/rationale.md`` has what each step saves.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import operator
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numba
import numpy as np
from llvmlite import binding, ir
from llvmlite.binding import Linkage, parse_assembly
from numba import _dynfunc  # type: ignore[attr-defined]
from numba.core import cgutils, config, types, typing
from numba.core import ir as numba_ir
from numba.core.caching import IndexDataCacheFile
from numba.core.callconv import RETCODE_NONE, RETCODE_OK, CPUCallConv, Status
from numba.core.codegen import CodeLibrary, JITCodeLibrary, _parse_refprune_flags
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import register_pass
from numba.core.cpu import CPUContext
from numba.core.dispatcher import Dispatcher
from numba.core.ir_utils import build_definitions
from numba.core.lowering import Lower
from numba.core.ssa import reconstruct_ssa
from numba.core.transforms import canonicalize_cfg
from numba.core.typed_passes import IRLegalization, NativeLowering, PreLowerStripPhis
from numba.core.untyped_passes import IRProcessing, ReconstructSSA
from numba.extending import intrinsic, register_jitable

from fastfd.collector import collector_at_rest

__all__ = [
    "PART", "apart", "borrowing", "carrier", "entry_point", "gate", "helper", "house_stamp", "independent", "inline_njit",
    "inner", "jit_disabled", "kernel", "locked_gate", "winding_kernel",
]  # fmt: skip


def jit_disabled() -> bool:
    return bool(config.DISABLE_JIT)  # type: ignore[attr-defined]


@functools.cache
def house_stamp() -> str:
    """A digest of every source of this package that can end up in a kernel.

    numba looks at a function's own file alone; a kernel also holds what it inlines from other files.
    """
    files = sorted(p for p in Path(__file__).parent.parent.rglob("*.py") if p.parent.name in ("fastfd", "kernels"))
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


class _CacheFile(IndexDataCacheFile):
    """numba numbers its data files, so two processes can give one number to two signatures; ours are named."""

    def save(self, key, data):
        name = self._data_name(int(hashlib.sha256(repr(key).encode()).hexdigest()[:15], 16))
        self._save_data(name, data)
        self._save_index(self._load_index() | {key: name})


# --- linking ------------------------------------------------------------------------------------------------------


class _PartLibrary(JITCodeLibrary):
    """The text of a part, for the kernels that it is linked into."""

    def __init__(self, codegen, name):
        CodeLibrary.__init__(self, codegen, name)
        self._linking_libraries, self._texts, self._names, self._shared_module = [], [], [], None
        self.independent = False

    def add_ir_module(self, ir_module):
        self._names += [function.name for function in ir_module.functions if not function.is_declaration]
        text = _with_independent_rounds(ir_module) if self.independent else str(ir_module)
        self._texts.append(cgutils.normalize_ir_text(text))

    def finalize(self):
        for library in self._linking_libraries:  # what must be done before code from disk runs, as numba hands it on
            self._reload_init.update(library._reload_init)
        self._finalized = True

    def link_into(self, module):
        for text in self._texts:
            module.link_in(parse_assembly(text))

    def share(self, module):
        """As numba does with all that it links: once in a program, and nowhere when it has been inlined."""
        for name in self._names:
            module.get_function(name).linkage = "linkonce_odr"

    def _get_module_for_linking(self):
        """For numba's own libraries, which ask a part for all that it needs."""
        if self._shared_module is None:
            self._shared_module = parse_assembly(str(self._codegen._create_empty_module(self.name)))
            for library in _link_parts(self._shared_module, [self]):
                self._shared_module.link_in(library._get_module_for_linking(), preserve=True)
        return self._shared_module


def _with_independent_rounds(module):
    """The text of a module whose only loop has rounds that touch no memory of one another, which LLVM does not see in rows of
    one array. What says so are nodes that llvmlite cannot write: they must be distinct, or hold themselves."""
    accesses = module.add_metadata(["accesses"])
    loop = module.add_metadata(["loop", module.add_metadata(["llvm.loop.parallel_accesses", accesses])])
    for block in (block for function in module.functions for block in function.blocks):
        for instruction in block.instructions:
            if instruction.opname in ("load", "store", "call"):
                instruction.set_metadata("llvm.access.group", accesses)
        block.terminator.set_metadata("llvm.loop", loop)
    itself = loop.get_reference()
    text = str(module).replace('!{ !"accesses" }', "distinct !{}")
    return text.replace('!{ !"loop", ', f"distinct !{{ {itself}, ")


class _KernelLibrary(JITCodeLibrary):
    alone = False  # entered by its address only
    winding = False  # see the decorator

    def finalize(self):
        self._linking_libraries = _link_parts(self._final_module, self._linking_libraries)
        super().finalize()

    def serialize_using_object_code(self):
        """Without the text for libraries that link this one: nothing links a kernel, and half of the time in which it came from
        disk went into reading that. The names remain, for numba looks them up there."""
        if not self.alone:
            return super().serialize_using_object_code()
        self._ensure_finalized()
        names = [function.name for function in self._final_module.functions if not function.is_declaration]
        stubs = "".join(f'define void @"{name}"() {{\n  unreachable\n}}\n' for name in names)
        text = str(self._codegen._create_empty_module(self.name)) + stubs
        return self.name, "object", (self._get_compiled_object(), parse_assembly(text).as_bitcode())

    def _optimize_final_module(self):
        """Once, where numba does it twice; the third level of LLVM takes longer and makes the adaptive kernel a tenth slower."""
        if self.alone:
            self._keep_to_itself()
        manager, builder = self._without_unrolling() if self.winding else self._codegen._module_pass_manager(opt=2)
        manager.run(self._final_module, builder)

    def _without_unrolling(self):
        """The passes that numba takes, but for one."""
        options = binding.create_pipeline_tuning_options()
        options.speed_level, options.loop_unrolling = 2, False
        options.loop_vectorization, options.slp_vectorization = bool(config.LOOP_VECTORIZE), bool(config.SLP_VECTORIZE)
        builder = binding.create_pass_builder(self._codegen._tm, options)
        manager = builder.getModulePassManager()
        if config.LLVM_REFPRUNE_PASS:
            manager.add_refprune_pass(_parse_refprune_flags())
        return manager, builder

    def _keep_to_itself(self):
        """What only a kernel calls is its own: LLVM may then hand on what is used of an array, not all that describes it.

        And its name is its own ("private", not "internal"): where code is loaded, a part of a gate that has the same name, but
        takes all arguments, would be taken for this one.
        """
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr:
                function.linkage = "private"


def _link_parts(module, libraries):
    """Link the parts among some libraries, and those that parts need, each once; the others are left to be linked."""
    todo, found = list(libraries), {}
    while todo:
        library = todo.pop()
        if library not in found:
            found[library] = isinstance(library, _PartLibrary)
            todo += library._linking_libraries if found[library] else ()
    parts = [library for library, is_part in found.items() if is_part]
    for part in parts:
        part.link_into(module)
    for part in parts:
        part.share(module)
    return [library for library, is_part in found.items() if not is_part]


# --- translating --------------------------------------------------------------------------------------------------


def _inserted(aggregate, path):
    """What was put at a place of an aggregate, where the instructions at hand tell; else None."""
    while isinstance(aggregate, ir.instructions.InsertValue):
        at = tuple(aggregate.indices)
        if at == path:
            return aggregate.operands[1]
        if at == path[: len(at)] or path == at[: len(path)]:
            return None
        aggregate = aggregate.operands[0]
    return None


class _Builder(ir.IRBuilder):
    """numba takes arrays apart at each call and at each element; what was just put together need not be."""

    def extract_value(self, agg, idx, *rest, **kwargs):
        path = tuple(idx) if isinstance(idx, tuple | list) else (idx,)
        found = _inserted(agg, path)
        return super().extract_value(agg, idx, *rest, **kwargs) if found is None else found

    @contextmanager
    def if_then(self, pred, likely=None):
        if pred is _FINE.is_error:  # then nothing is to be done
            yield None
            return
        with super().if_then(pred, likely) as end:
            yield end


#: Parts, translated, that come back to their caller whatever happens: no question is asked after a call.
_quiet: set[str] = set()
_loud: set[str] = set()
_FINE = Status(**dict.fromkeys(Status._fields, ir.Constant(ir.IntType(1), 0)))


class _KernelCallConv(CPUCallConv):
    """numba takes 25 instructions to ask how a call ended, and to pass on what it raised."""

    def call_function(self, builder, callee, resty, argtys, args, attrs=None):
        if callee.name not in _quiet:
            return super().call_function(builder, callee, resty, argtys, args, attrs)
        slot = cgutils.alloca_once(builder, self.get_return_type(resty).pointee)
        nowhere = cgutils.get_null_value(callee.function_type.args[1])
        builder.call(callee, [slot, nowhere, *self._get_arg_packer(argtys).as_arguments(builder, args)])
        return _FINE, self.context.get_returned_value(builder, resty, builder.load(slot))

    def return_status_propagate(self, builder, status):
        if status is not _FINE:
            super().return_status_propagate(builder, status)

    def _return_errcode_raw(self, builder, code):
        if code not in (RETCODE_OK, RETCODE_NONE):
            _loud.add(builder.function.name)
        super()._return_errcode_raw(builder, code)


#: What makes a number the one to be kept.
_EXTREMES = {max: operator.gt, min: operator.lt}


def _as_instructions(function, args):
    """The signature of int, max and min of numbers, which numba would compile as functions of their own; else None."""
    python, kinds = getattr(function, "typing_key", None), set(args)
    if python is int and kinds <= {types.float64} and len(args) == 1:
        return typing.signature(types.intp, *args)
    if python in (max, min) and len(args) > 1 and kinds in ({types.float64}, {types.int64}):
        return typing.signature(args[0], *args)
    return None


class _KernelLower(Lower):
    """Elements of contiguous arrays, by address. Kernels do not count from the end of an array (in the job with bounds
    checks that is an IndexError): the question whether an index is negative keeps loops from vectorising, and with all
    else that numba says, an element takes 45 instructions instead of ten.

    An argument that is never written to is a value, not a place in memory.
    """

    def init(self):
        super().init()
        assigned = Counter(inst.target.name for block in self.blocks.values() for inst in block.find_insts(numba_ir.Assign))
        first = self.blocks[min(self.blocks)].find_insts(numba_ir.Assign)
        arguments = {inst.target.name for inst in first if isinstance(inst.value, numba_ir.Arg)}
        self._singly_assigned_vars |= {name for name in arguments if assigned[name] == 1 and not self._counted(name)}

    def _lower_call_normal(self, fnty, expr, signature):
        if getattr(fnty, "typing_key", None) is range and set(signature.args) == {types.int64} and len(signature.args) < 3:
            bounds, number = [self.loadvar(a.name) for a in expr.args], ir.IntType(64)
            return cgutils.pack_struct(self.builder, ([ir.Constant(number, 0)] + bounds)[-2:] + [ir.Constant(number, 1)])
        if _as_instructions(fnty, signature.args) is None:
            return super()._lower_call_normal(fnty, expr, signature)
        values, kinds, to = [self.loadvar(a.name) for a in expr.args], signature.args, signature.return_type
        if fnty.typing_key is int:
            return self.context.cast(self.builder, values[0], kinds[0], to)
        values = [self.context.cast(self.builder, v, kind, to) for v, kind in zip(values, kinds, strict=True)]
        compare = self.context.get_function(_EXTREMES[fnty.typing_key], typing.signature(types.boolean, to, to))
        found = values[0]
        for value in values[1:]:
            found = self.builder.select(compare(self.builder, (value, found)), value, found)
        return found

    def lower_binop(self, resty, expr, op):
        """numba looks up what is written between two numbers four times, in case one of them is known."""
        signature, context = self.fndesc.calltypes[expr], self.context
        if op in (operator.pow, operator.ipow) or not {*signature.args} <= {types.float64, types.int64}:
            return super().lower_binop(resty, expr, op)
        values = [
            context.cast(self.builder, self.loadvar(side.name), self.typeof(side.name), kind)
            for side, kind in zip((expr.lhs, expr.rhs), signature.args, strict=True)
        ]
        compute = context.get_function(op, signature)
        return context.cast(self.builder, compute(self.builder, values), signature.return_type, resty)

    def lower_expr(self, resty, expr):
        lowered = _LEAN_EXPRESSIONS.get(expr.op)
        result = lowered(self, expr, resty) if lowered else None
        return super().lower_expr(resty, expr) if result is None else result

    def _begin_range(self, expr, iterator):
        """The start, the stop and the step are at hand: where the step is 1 nothing is to be asked."""
        kind, state, builder = self.typeof(expr.value.name), self.loadvar(expr.value.name), self.builder
        if kind != types.range_state64_type or not _is_one(_inserted(state, (2,))):
            return None
        start, stop, step = (builder.extract_value(state, i) for i in range(3))
        places = [cgutils.alloca_once(builder, start.type) for _ in range(2)]
        for place, number in zip(places, (start, builder.sub(stop, start)), strict=True):
            builder.store(number, place)
        fields = (places[0], stop, step, places[1])
        return cgutils.pack_struct(builder, fields) if iterator == types.range_iter64_type else None

    def _next_of_range(self, expr, pair):
        if self.typeof(expr.value.name) != types.range_iter64_type:
            return None
        builder, iterator, one = self.builder, self.loadvar(expr.value.name), ir.Constant(ir.IntType(64), 1)
        number_at, step, count_at = (builder.extract_value(iterator, i) for i in (0, 2, 3))
        number, count = builder.load(number_at), builder.load(count_at)
        builder.store(builder.add(number, step), number_at)
        builder.store(builder.sub(count, one), count_at)
        return cgutils.pack_struct(builder, (number, builder.icmp_signed(">=", count, one)))

    def _half_of_pair(self, expr, resty):
        if _is_counted(self.context, resty):
            return None
        return self.builder.extract_value(self.loadvar(expr.value.name), 0 if expr.op == "pair_first" else 1)

    def _attribute_of_array(self, expr, resty):
        kind, field = self.typeof(expr.value.name), {"size": "nitems", "shape": "shape"}.get(expr.attr)
        if field is None or not isinstance(kind, types.Array):
            return None
        return self.context.data_model_manager[kind].get(self.builder, self.loadvar(expr.value.name), field)

    def _counted(self, name):
        """Whether references to a variable are counted."""
        return self.context.enable_nrt and _is_counted(self.context, self.typeof(name))

    def setup_function(self, fndesc):
        super().setup_function(fndesc)
        self.builder = _Builder(self.entry_block)
        self.call_helper = self.call_conv.init_call_helper(self.builder)

    def lower_getitem(self, resty, expr, value, index, signature):
        address = self._element(value, index)
        if address is None:
            return super().lower_getitem(resty, expr, value, index, signature)
        item = self.context.unpack_value(self.builder, signature.return_type, address)
        return self.context.cast(self.builder, item, signature.return_type, resty)

    def lower_setitem(self, target_var, index_var, value_var, signature):
        address = self._element(target_var, index_var)
        if address is None:
            return super().lower_setitem(target_var, index_var, value_var, signature)
        dtype = self.typeof(target_var.name).dtype
        value = self.context.cast(self.builder, self.loadvar(value_var.name), self.typeof(value_var.name), dtype)
        return self.context.pack_value(self.builder, dtype, value, address)

    def _element(self, array, index):
        """The address of one element, or None where numba must see to it."""
        kind, given = self.typeof(array.name), self.typeof(index.name)
        kinds = tuple(given) if isinstance(given, types.BaseTuple) else (given,)
        plain = isinstance(kind, types.Array) and kind.layout == "C" and kind.aligned and kind.ndim == len(kinds)
        if not plain or not all(isinstance(k, types.Integer) for k in kinds):
            return None
        builder, value, at = self.builder, self.loadvar(array.name), self.loadvar(index.name)
        model = self.context.data_model_manager[kind]
        sizes = cgutils.unpack_tuple(builder, model.get(builder, value, "shape"))
        indices = cgutils.unpack_tuple(builder, at) if isinstance(given, types.BaseTuple) else [at]
        offset, stride = ir.Constant(ir.IntType(64), 0), ir.Constant(ir.IntType(64), 1)
        for axis in reversed(range(kind.ndim)):
            i = self.context.cast(builder, indices[axis], kinds[axis], types.intp)
            if self.context.enable_boundscheck:
                cgutils.do_boundscheck(self.context, builder, i, sizes[axis], axis)
            offset = builder.add(offset, builder.mul(i, stride, flags=["nsw"]), flags=["nsw"])
            stride = builder.mul(stride, sizes[axis], flags=["nsw"])
        return builder.gep(model.get(builder, value, "data"), [offset], inbounds=True)


_LEAN_EXPRESSIONS = {
    "getiter": _KernelLower._begin_range, "iternext": _KernelLower._next_of_range, "getattr": _KernelLower._attribute_of_array,
    "pair_first": _KernelLower._half_of_pair, "pair_second": _KernelLower._half_of_pair,
}  # fmt: skip


def _is_one(value):
    return isinstance(value, ir.Constant) and value.constant == 1


def _is_counted(context, kind):
    return context.data_model_manager[kind].contains_nrt_meminfo()


def _owns(state):
    """Whether a part makes arrays or hands one out; else it only looks at those that its caller holds."""
    kinds = [state.return_type]
    for block in state.func_ir.blocks.values():
        for expr in block.find_exprs():
            makes = expr.op in ("call", "binop", "inplace_binop", "unary", "arrayexpr")
            if makes and not (expr.op == "call" and _is_borrowing(state.typemap[expr.func.name])):
                kinds.append(state.calltypes[expr].return_type)
    return any(_is_counted(state.targetctx, kind) for kind in kinds)


def _is_borrowing(function):
    return getattr(function, "typing_key", None) in _borrowing


class _PartLower(_KernelLower):
    def emit_environment_object(self):
        """Parts hold no Python objects."""

    def storevar(self, value, name, argidx=None):
        if self.context.enable_nrt or name in self._singly_assigned_vars:
            super().storevar(value, name, argidx)
        else:
            self.builder.store(value, self.getvar(name))


class _KernelContext(CPUContext):
    @property
    def call_conv(self):
        return _KernelCallConv(self)

    def declare_function(self, module, fndesc):
        """numba names the arguments again at each call."""
        known = module.globals.get(fndesc.mangled_name)
        return super().declare_function(module, fndesc) if known is None else known

    @classmethod
    def of(cls, context):
        twin = copy.copy(context)
        twin.__class__ = cls
        twin.error_model = type(context.error_model)(twin.call_conv)
        return twin


class _PartContext(_KernelContext):
    @staticmethod
    def get_executable(library, fndesc, env):
        """What stands for a part among numba's callables; nothing calls it."""
        return _dynfunc.make_function(fndesc.lookup_module(), fndesc.qualname.split(".")[-1], "", 0, env, (library,))


@contextmanager
def _in_context(cls, state):
    whole = state.targetctx
    state.targetctx = cls.of(whole)
    try:
        yield state.targetctx
    finally:
        state.targetctx = whole


@register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(NativeLowering):
    _name = "fastfd_kernel_lowering"
    lowering_class = _KernelLower

    def run_pass(self, state):
        state.library = _KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.alone, state.library.winding = state.flags.no_cpython_wrapper, state.func_id.func in _winding
        state.library.enable_object_caching()
        with _in_context(_KernelContext, state):
            return super().run_pass(state)


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    _name = "fastfd_part_lowering"
    lowering_class = _PartLower

    def run_pass(self, state):
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.independent = state.func_id.func in _independent
        with _in_context(_PartContext, state) as context:
            context.enable_nrt = _owns(state)
            done = super().run_pass(state)
        description = state.cr.fndesc
        description.typemap = description.calltypes = None  # a tenth of a second when the process ends
        if description.mangled_name not in _loud:
            _quiet.add(description.mangled_name)
        return done


#: Passes of numba for what no kernel contains: closures, literal arguments, exceptions, array expressions, overloads to be
#: inlined; and what is only looked at by people.
_NEEDLESS = {
    "with_lifting", "inline_closure_likes", "rewrite_semantic_constants", "dead_branch_prune", "generic_rewrites",
    "Rewrite dynamic raises", "make_function_op_code_to_jit_function", "inline_inlinables", "find_literally",
    "literal_unroll", "LiteralPropagation", "inline_overloads", "nopython_rewrites", "nopython_supported_feature_validation",
    "annotate_types", "dump_parfor_diagnostics",
}  # fmt: skip


# After each pass numba computes anew where variables live. The next one does not ask; only references that are counted must
# be given back where a variable dies.


@register_pass(mutates_CFG=True, analysis_only=False)
class _Processing(IRProcessing):
    _name = "fastfd_processing"

    def run_pass(self, state):
        state.func_ir.blocks = canonicalize_cfg(state.func_ir.blocks)
        state.func_ir.generator_info = state.type_annotation = None
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class _SingleAssignments(ReconstructSSA):
    _name = "fastfd_ssa"

    def run_pass(self, state):
        state.func_ir = reconstruct_ssa(state.func_ir)
        self._patch_locals(state)
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class _StripPhis(PreLowerStripPhis):
    _name = "fastfd_strip_phis"

    def run_pass(self, state):
        state.func_ir = self._strip_phi_nodes(state.func_ir)
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return True


@register_pass(mutates_CFG=False, analysis_only=True)
class _PartLegalization(IRLegalization):
    _name = "fastfd_part_legalization"

    def run_pass(self, state):
        return super().run_pass(state) if _owns(state) else True


#: Passes of ours in the place of numba's.
_LEANER = {"ir_processing": _Processing, "reconstruct_ssa": _SingleAssignments, "strip_phis": _StripPhis}


@functools.cache
def _with_memory(typing):
    """numba's typing context, but a function is looked up once for some types, not at each of its uses."""
    twin, known = copy.copy(typing), {}

    def resolve(function, args, kws):
        if (short := None if kws else _as_instructions(function, args)) is not None:
            return short
        if kws or not (isinstance(function, types.Function) or function is operator.getitem):  # methods and the like
            return typing.resolve_function_type(function, args, kws)
        if (function, args) not in known:
            known[function, args] = typing.resolve_function_type(function, args, kws)
        return known[function, args]

    twin.resolve_function_type, twin.refresh = resolve, typing.refresh
    return twin


class _PartCompiler(CompilerBase):
    leaner: ClassVar[dict[str, type]] = {**_LEANER, "ir_legalization": _PartLegalization, "native_lowering": _PartLowering}

    def __init__(self, typingctx, *rest):
        super().__init__(_with_memory(typingctx), *rest)

    def define_pipelines(self):
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (self.leaner.get(step.name(), step), title)
            for step, title in manager.passes
            if step.name() not in _NEEDLESS
        ]
        manager._ENFORCING = False  # the passes that are left keep the analysis of the text in order themselves
        return [manager]


class _KernelCompiler(_PartCompiler):
    leaner: ClassVar[dict[str, type]] = {**_LEANER, "native_lowering": _KernelLowering}

    def __init__(self, *args):
        _register_parts()
        super().__init__(*args)

    def compile_extra(self, func):
        with collector_at_rest():
            return super().compile_extra(func)


#: Intrinsics whose arrays belong to somebody else.
_borrowing: set = set()


def borrowing(function: Any) -> Any:
    """Marks an intrinsic that answers with a view of what it is given, without counting it."""
    _borrowing.add(function)
    return function


# --- the decorators -----------------------------------------------------------------------------------------------

#: ``numpy`` error model: numba's zero test at each division would block vectorisation (15 -> 8.4 us at n = 100).
_OPTIONS: Any = {"error_model": "numpy"}
#: What is never called from Python needs none of numba's wrappers. (A kernel has the options of its parts, all of them:
#: numba compiles a part once for each set of options that call it, and takes over those that are not given.)
_INSIDE: Any = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": False}
PART: Any = {**_INSIDE, "pipeline_class": _PartCompiler}


def _compiled(text: Callable, options: dict) -> Any:
    """Compile lazily, once per signature, and keep the code on disk."""
    compiled = numba.njit(cache=True, pipeline_class=_KernelCompiler, **options)(text)
    if not jit_disabled():
        cache = compiled._cache
        cache._cache_file = _CacheFile(cache._cache_path, cache._impl.filename_base, house_stamp())
    return compiled


def gate(text: Callable) -> Any:
    """For what Python calls. ``nogil``: other threads, ours among them, run meanwhile.

    Compiled code passes over an overflow without a warning, and so does its text where nothing is compiled.
    """
    return np.errstate(all="ignore")(text) if jit_disabled() else _compiled(text, {**_OPTIONS, "nogil": True})


def locked_gate(text: Callable) -> Any:
    """For what Python calls and what makes Python objects: it gives the lock away by itself."""
    return _compiled(text, _OPTIONS)


#: What numba has not heard of yet, and whether it is to be inlined: it need not, where all comes from disk.
_unregistered: list[tuple[Callable, bool]] = []


def helper(text: Callable) -> Callable:
    """For the parts of kernels."""
    _unregistered.append((text, False))
    return text


def inner(text: Callable) -> Callable:
    """For what stands in an innermost loop, where a call would cost as much as what it does."""
    _unregistered.append((text, True))
    return text


#: Parts that are a loop with independent rounds.
_independent: set[Callable] = set()


def independent(text: Callable) -> Callable:
    """For a part that is one loop, whose rounds touch no memory of one another: so it can be vectorised."""
    _independent.add(text)
    return helper(text)


def _register_parts() -> None:
    with global_compiler_lock:
        while _unregistered:
            text, inlined = _unregistered.pop()
            register_jitable(**{**PART, "forceinline": inlined})(text)


def kernel(text: Callable) -> Callable:
    """For what is entered by its address (and may be a part of something larger)."""
    return helper(text)


#: Kernels whose loops LLVM leaves as they are.
_winding: set[Callable] = set()


def winding_kernel(text: Callable) -> Callable:
    """For a kernel that decides at every turn: its loops are short, and unrolled they take longer to compile and to run."""
    _winding.add(text)
    return kernel(text)


@functools.cache
def _compiled_kernel(text: Callable) -> Any:
    return _compiled(text, _INSIDE)


#: For those that hand the callee on: the same, under a name of its own, for user code that is cached will need them inlined.
carrier = helper


def inline_njit(text: Callable) -> Any:
    """Compile around one user function, in this process only: such code is as new as the function."""
    _register_parts()
    return numba.njit(nogil=True, error_model="numpy")(text)


def entry_point(text: Callable, arg_types: tuple) -> int:
    """The address of a kernel or a gate, compiled for some types."""
    with global_compiler_lock:  # whatever thread comes first
        dispatcher = text if isinstance(text, Dispatcher) else _compiled_kernel(text)
    dispatcher.compile(arg_types)
    result: Any = dispatcher.overloads[arg_types]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


@intrinsic
def _apart(typingctx):
    def codegen(context, builder, sig, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


#: Keeps the function that says it out of its callers.
apart: Any = (lambda: None) if jit_disabled() else _apart
