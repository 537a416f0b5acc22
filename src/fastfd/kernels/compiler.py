"""How kernels are compiled: numba's front end without what they have no use for, and each kernel linked once.

A *kernel* is entered by its address, a *gate* is called from Python, and their *parts* (helpers) are called by both. numba
optimises, and turns into machine code, every function that another calls, then once more as a part of its caller, and
so on up to the kernel. Here a part is only translated to LLVM's language; it waits as text for the kernel that it is
linked into. The code that comes out is the same; ``docs/rationale.md`` has what each step saves.
"""

from __future__ import annotations

import copy
import functools
import gc
import hashlib
import operator
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from llvmlite.binding import parse_assembly
from numba import _dynfunc  # type: ignore[attr-defined]
from numba.core import cgutils, config, types
from numba.core.caching import IndexDataCacheFile
from numba.core.codegen import CodeLibrary, JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import register_pass
from numba.core.cpu import CPUContext
from numba.core.dispatcher import Dispatcher
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering
from numba.extending import register_jitable

__all__ = ["PART", "carrier", "entry_point", "gate", "helper", "house_stamp", "inline_njit", "inner", "jit_disabled", "kernel"]


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

    def add_ir_module(self, ir_module):
        self._names += [function.name for function in ir_module.functions if not function.is_declaration]
        self._texts.append(cgutils.normalize_ir_text(str(ir_module)))

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


class _KernelLibrary(JITCodeLibrary):
    def finalize(self):
        self._linking_libraries = _link_parts(self._final_module, self._linking_libraries)
        super().finalize()


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


class _KernelLower(Lower):
    """Elements of contiguous arrays, by address. Kernels do not count from the end of an array (in the job with bounds
    checks that is an IndexError): the question whether an index is negative keeps loops from vectorising, and with all
    else that numba says, an element takes 45 instructions instead of ten.
    """

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


class _PartLower(_KernelLower):
    def emit_environment_object(self):
        """Parts hold no Python objects."""


class _PartContext(CPUContext):
    @staticmethod
    def get_executable(library, fndesc, env):
        """What stands for a part among numba's callables; nothing calls it."""
        return _dynfunc.make_function(fndesc.lookup_module(), fndesc.qualname.split(".")[-1], "", 0, env, (library,))


@register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(NativeLowering):
    _name = "fastfd_kernel_lowering"
    lowering_class = _KernelLower

    def run_pass(self, state):
        state.library = _KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return super().run_pass(state)


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    _name = "fastfd_part_lowering"
    lowering_class = _PartLower

    def run_pass(self, state):
        whole = state.targetctx
        state.library = _PartLibrary(whole.codegen(), state.func_id.func_qualname)
        state.targetctx = copy.copy(whole)
        state.targetctx.__class__ = _PartContext
        try:
            return super().run_pass(state)
        finally:
            state.targetctx = whole


#: Passes of numba for what no kernel contains: closures, literal arguments, exceptions, array expressions.
_NEEDLESS = {
    "with_lifting", "inline_closure_likes", "rewrite_semantic_constants", "dead_branch_prune", "generic_rewrites",
    "Rewrite dynamic raises", "make_function_op_code_to_jit_function", "inline_inlinables", "find_literally",
    "literal_unroll", "LiteralPropagation", "nopython_rewrites", "nopython_supported_feature_validation",
    "dump_parfor_diagnostics",
}  # fmt: skip


@functools.cache
def _with_memory(typing):
    """numba's typing context, but a function is looked up once for some types, not at each of its uses."""
    twin, known = copy.copy(typing), {}

    def resolve(function, args, kws):
        if kws or not (isinstance(function, types.Function) or function is operator.getitem):  # methods and the like
            return typing.resolve_function_type(function, args, kws)
        if (function, args) not in known:
            known[function, args] = typing.resolve_function_type(function, args, kws)
        return known[function, args]

    twin.resolve_function_type, twin.refresh = resolve, typing.refresh
    return twin


class _PartCompiler(CompilerBase):
    lowering: type = _PartLowering

    def __init__(self, typingctx, *rest):
        super().__init__(_with_memory(typingctx), *rest)

    def define_pipelines(self):
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (self.lowering if step is NativeLowering else step, title)
            for step, title in manager.passes
            if step.name() not in _NEEDLESS
        ]
        manager._ENFORCING = False  # the passes that are left keep the analysis of the text in order themselves
        return [manager]


@contextmanager
def _collector_at_rest():
    """Looking for garbage time and again among all that numba keeps takes a tenth of a compilation.

    Frozen and unfrozen, what was made meanwhile (40 MB for the largest kernel) counts as old, and waits for the next
    full collection.
    """
    if not gc.isenabled() or gc.get_freeze_count():  # somebody else has a plan
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        gc.enable()


class _KernelCompiler(_PartCompiler):
    lowering = _KernelLowering

    def __init__(self, *args):
        _register_parts()
        super().__init__(*args)

    def compile_extra(self, func):
        with _collector_at_rest():
            return super().compile_extra(func)


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
    """For what Python calls. ``nogil``: other threads, ours among them, run meanwhile."""
    return _compiled(text, {**_OPTIONS, "nogil": True})


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


def _register_parts() -> None:
    with global_compiler_lock:
        while _unregistered:
            text, inlined = _unregistered.pop()
            register_jitable(**{**PART, "forceinline": inlined})(text)


def kernel(text: Callable) -> Callable:
    """For what is entered by its address (and may be a part of something larger)."""
    return helper(text)


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
