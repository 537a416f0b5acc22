"""Colours for the columns of a sparse matrix: columns of one colour move together, and each row tells them apart.

A pattern is two pairs of arrays, as in ``scipy.sparse``: rows (where each begins, then the columns of their entries) and
columns (likewise). For a Jacobian no two columns of a colour have a row in common (Curtis, Powell and Reid 1974; a colouring
of the column intersection graph, Coleman and Moré 1983). For a symmetric matrix every path on four vertices has three
colours (a star colouring, Coleman and Moré 1984): then each entry or its mirror image stands alone.
"""

from __future__ import annotations

from fastfd.kernels.compiler import gate, helper
from fastfd.kernels.views import fill

__all__ = ["columns_of", "greedy", "incidence_order", "largest_order", "neighbours", "readable", "smallest_order", "star"]

NONE = -1


@gate
def columns_of(indptr, indices, starts, rows, place):
    """The same pattern by columns: where each begins, its rows, and where the entries stand by rows."""
    fill(starts, 0)
    for k in range(indices.size):
        starts[indices[k] + 1] += 1
    for j in range(starts.size - 1):
        starts[j + 1] += starts[j]
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            rows[starts[j]], place[starts[j]] = i, k
            starts[j] += 1
    for j in range(starts.size - 1, 0, -1):
        starts[j] = starts[j - 1]
    starts[0] = 0


# --- columns without a row in common ----------------------------------------------------------------------------------


@helper
def _densest(indptr):
    longest = 0
    for i in range(indptr.size - 1):
        if indptr[i + 1] - indptr[i] > indptr[longest + 1] - indptr[longest]:
            longest = i
    return longest


@helper
def _free(j, indptr, indices, starts, rows, colors, taken):
    """The first colour that no column has which meets column j in a row."""
    for k in range(starts[j], starts[j + 1]):
        for e in range(indptr[rows[k]], indptr[rows[k] + 1]):
            if colors[indices[e]] != NONE:
                taken[colors[indices[e]]] = j
    color = 0
    while taken[color] == j:
        color += 1
    return color


@gate
def greedy(indptr, indices, starts, rows, order, colors, taken):
    """Give each column, in an order, the first colour that fits; the number of colours. Empty columns get none (-1).

    The columns of a row need as many colours as they are. Those of a row so long that to look through it once for each
    would cost more than all else get them beforehand.
    """
    fill(colors, NONE)
    fill(taken, NONE)
    count = 0
    if indices.size > 0:
        i = _densest(indptr)
        if (indptr[i + 1] - indptr[i]) ** 2 > indices.size:
            for k in range(indptr[i], indptr[i + 1]):
                colors[indices[k]] = count
                count += 1
    for k in range(order.size):
        j = order[k]
        if colors[j] == NONE and starts[j + 1] > starts[j]:
            colors[j] = _free(j, indptr, indices, starts, rows, colors, taken)
            count = max(count, colors[j] + 1)
    return count


@gate
def neighbours(indptr, indices, starts, rows, degree, seen):
    """How many other columns each column meets."""
    fill(seen, NONE)
    for j in range(starts.size - 1):
        seen[j], degree[j] = j, 0
        for k in range(starts[j], starts[j + 1]):
            for e in range(indptr[rows[k]], indptr[rows[k] + 1]):
                c = indices[e]
                if seen[c] != j:
                    seen[c] = j
                    degree[j] += 1


@gate
def largest_order(degree, order, slots):
    """Largest degree first (Welsh and Powell 1967), by counting; equal ones as they come."""
    fill(slots, 0)
    for j in range(degree.size):
        slots[degree[j]] += 1
    place = 0
    for d in range(slots.size - 1, -1, -1):
        place, slots[d] = place + slots[d], place
    for j in range(degree.size):
        order[slots[degree[j]]] = j
        slots[degree[j]] += 1


# --- dynamic orders: columns in lists by degree -----------------------------------------------------------------------


@helper
def _unlink(j, bucket, heads, after, before):
    if before[j] == NONE:
        heads[bucket] = after[j]
    else:
        after[before[j]] = after[j]
    if after[j] != NONE:
        before[after[j]] = before[j]


@helper
def _link(j, bucket, heads, after, before):
    before[j], after[j] = NONE, heads[bucket]
    if heads[bucket] != NONE:
        before[heads[bucket]] = j
    heads[bucket] = j


@helper
def _line_up(degree, heads, after, before, reverse):
    fill(heads, NONE)
    n = degree.size
    for k in range(n):
        j = n - 1 - k if reverse else k
        _link(j, degree[j], heads, after, before)


@gate
def smallest_order(indptr, indices, starts, rows, degree, order, heads, after, before, seen):
    """Smallest degree last (Matula and Beck 1983): time and again the column with the fewest neighbours left is put before
    those that were put already. `degree` is used up."""
    _line_up(degree, heads, after, before, True)
    fill(seen, NONE)
    low = 0
    for place in range(order.size - 1, -1, -1):
        while heads[low] == NONE:
            low += 1
        j = heads[low]
        _unlink(j, low, heads, after, before)
        order[place], degree[j] = j, NONE
        for k in range(starts[j], starts[j + 1]):
            for e in range(indptr[rows[k]], indptr[rows[k] + 1]):
                c = indices[e]
                if seen[c] != j and degree[c] != NONE:
                    seen[c] = j
                    _unlink(c, degree[c], heads, after, before)
                    degree[c] -= 1
                    _link(c, degree[c], heads, after, before)
        low = max(0, low - 1)


@gate
def incidence_order(indptr, indices, starts, rows, degree, order, heads, after, before, seen):
    """Incidence degree (Coleman and Moré 1983): next comes the column that meets most of those before it."""
    fill(degree, 0)
    _line_up(degree, heads, after, before, True)
    fill(seen, NONE)
    high = 0
    for place in range(order.size):
        while heads[high] == NONE:
            high -= 1
        j = heads[high]
        _unlink(j, high, heads, after, before)
        order[place], degree[j] = j, NONE
        for k in range(starts[j], starts[j + 1]):
            for e in range(indptr[rows[k]], indptr[rows[k] + 1]):
                c = indices[e]
                if seen[c] != j and degree[c] != NONE:
                    seen[c] = j
                    _unlink(c, degree[c], heads, after, before)
                    degree[c] += 1
                    _link(c, degree[c], heads, after, before)
                    high = max(high, degree[c])


# --- star colouring ---------------------------------------------------------------------------------------------------


@helper
def _treat(v, w, starts, rows, colors, taken, treated):
    """No neighbour of w may share v's colour."""
    for k in range(starts[w], starts[w + 1]):
        if colors[rows[k]] != NONE:
            taken[colors[rows[k]]] = v
    treated[w] = v


@helper
def _forbid(v, starts, rows, colors, stars, hubs, spokes, taken, treated, whose, first):
    """Mark the colours that would make v the end of a path on four vertices in two colours."""
    for k in range(starts[v], starts[v + 1]):
        w = rows[k]
        if w == v or colors[w] == NONE:
            continue
        c = colors[w]
        taken[c] = v
        if whose[c] == v:  # a second neighbour of this colour: v will be their hub
            if treated[first[c]] != v:
                _treat(v, first[c], starts, rows, colors, taken, treated)
            _treat(v, w, starts, rows, colors, taken, treated)
            continue
        whose[c], first[c] = v, w
        if spokes[w] == 0:  # w is a leaf of no star
            continue
        for e in range(starts[w], starts[w + 1]):
            if stars[e] != NONE and hubs[stars[e]] == rows[e]:
                taken[colors[rows[e]]] = v


@helper
def _same(v, w, starts, rows, colors):
    """Where among the neighbours of w another one of v's colour stands, or -1."""
    for e in range(starts[w], starts[w + 1]):
        if rows[e] != v and rows[e] != w and colors[rows[e]] == colors[v]:
            return e
    return NONE


@helper
def _appoint(star, hub, leaf, hubs, spokes):
    """A hub for a star that has had a single edge, of which `leaf` is the other end."""
    if hubs[star] == NONE:
        hubs[star] = hub
        spokes[leaf] += 1


@helper
def _grow(v, starts, rows, mirror, colors, stars, hubs, spokes, whose, first, where, count):
    """Edges from v to the coloured vertices join a star or begin one."""
    for k in range(starts[v], starts[v + 1]):
        w = rows[k]
        if w == v or colors[w] == NONE:
            continue
        e, c = _same(v, w, starts, rows, colors), colors[w]
        if e != NONE:
            star = stars[e]
            _appoint(star, w, rows[e], hubs, spokes)
            spokes[v] += 1
        elif whose[c] == v and first[c] != w:
            star = stars[where[c]]
            _appoint(star, v, first[c], hubs, spokes)
            spokes[w] += 1
        else:
            star = count
            hubs[star], count = NONE, count + 1
            where[c] = k
        stars[k] = stars[mirror[k]] = star
    return count


@gate
def star(starts, rows, mirror, order, colors, stars, hubs, spokes, taken, treated, whose, first, where):
    """Star colouring (Gebremedhin, Tarafdar, Manne and Pothen 2007); the number of colours.

    `stars` holds the star of each edge, `hubs` the hub of each star, `spokes` how many of a vertex's edges lead to the
    hub of their star: where that is none, its neighbours (n of them, in an arrowhead) need not be looked through.
    """
    fill(colors, NONE)
    fill(stars, NONE)
    fill(taken, NONE)
    fill(treated, NONE)
    fill(whose, NONE)
    fill(spokes, 0)
    count = edges = 0
    for k in range(order.size):
        v = order[k]
        if starts[v + 1] == starts[v]:
            continue
        _forbid(v, starts, rows, colors, stars, hubs, spokes, taken, treated, whose, first)
        color = 0
        while taken[color] == v:
            color += 1
        colors[v] = color
        count = max(count, color + 1)
        edges = _grow(v, starts, rows, mirror, colors, stars, hubs, spokes, whose, first, where, edges)
    return count


@gate
def readable(starts, rows, colors, alone, tally, last):
    """Of a symmetric pattern by columns: whether entry (i, j) can be read off row i when the colour of j moves."""
    fill(last, NONE)
    for i in range(starts.size - 1):
        for k in range(starts[i], starts[i + 1]):
            c = colors[rows[k]]
            tally[c] = 1 if last[c] != i else tally[c] + 1
            last[c] = i
        for k in range(starts[i], starts[i + 1]):  # column i holds, by symmetry, the entries of row i
            alone[k] = tally[colors[rows[k]]] == 1
    return 0
