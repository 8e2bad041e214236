"""Code families on whole numbers, intervals and grids."""

from __future__ import annotations

from random import Random

from corpo.data.bank.base import COMPARISONS, CodeFamily, numbers_near, programs


def _grid(rng: Random, *centres: int) -> list[list[int]]:
    """Draw a grid of numbers in which values at and beside each centre are common."""
    width = rng.randint(1, 4)
    near: list[int] = []
    for centre in centres:
        near += [centre - 1, centre, centre + 1]
    grid = []
    for _ in range(rng.randint(0, 4)):
        grid.append([rng.choice((*(near or [0]), rng.randint(-5, 12))) for _ in range(width)])
    return grid


def _square_grid(rng: Random) -> list[list[int]]:
    size = rng.randint(0, 4)
    grid = []
    for _ in range(size):
        grid.append([rng.randint(0, 9) for _ in range(size)])
    return grid


def _ragged_rows(rng: Random, column: int) -> list[list[int]]:
    """Draw rows, some of which are too short to have this column."""
    rows = []
    for _ in range(rng.randint(0, 4)):
        length = max(0, column + rng.choice((-1, 0, 1, 1, 2)))
        rows.append([rng.randint(1, 9) for _ in range(length)])
    return rows


def _intervals(rng: Random, length: int) -> list[tuple[int, int]]:
    """Draw intervals whose lengths are near `length`, or 9."""
    intervals = []
    for _ in range(rng.randint(0, 5)):
        start = rng.randint(0, 9)
        intervals.append((start, start + max(0, rng.choice((length - 1, length, length + 1, 9)))))
    return intervals


def _row_of(rng: Random, total: int) -> list[int]:
    first = rng.randint(0, total)
    return [first, total - first] if rng.random() < 0.7 else [total]


FAMILIES: tuple[CodeFamily, ...] = (
    CodeFamily(
        name="digit_sum",
        topic="numbers",
        statements=(
            "Return the sum of the digits of n that are $cmp_word $k.",
            "Add up those digits of n $cmp_word $k.",
            "What do the digits of n that are $cmp_word $k sum to?",
        ),
        solutions=programs(
            """
            def f(n):
                t = 0
                while n > 0:
                    d = n % 10
                    if d $cmp_code $k:
                        t += d
                    n //= 10
                return t

            def f(n):
                return sum((int(c) for c in str(n) if int(c) $cmp_code $k))

            def f(n):
                t = 0
                for c in str(n):
                    d = int(c)
                    if d $cmp_code $k:
                        t = t + d
                return t
            """
        ),
        params={"cmp": COMPARISONS, "k": (2, 3, 4, 5, 6, 7)},
        inputs=lambda rng, p: (rng.randint(0, 99999),),
        edges=((0,), (1234567890,)),
    ),
    CodeFamily(
        name="multiples_up_to",
        topic="numbers",
        statements=(
            "Count the multiples of $k from $s to n, both included.",
            "How many numbers from $s up to n does $k divide?",
            "Return the number of i with $s <= i <= n that are divisible by $k.",
        ),
        solutions=programs(
            """
            def f(n):
                c = 0
                for i in range($s, n + 1):
                    if i % $k == 0:
                        c += 1
                return c

            def f(n):
                return len([i for i in range($s, n + 1) if i % $k == 0])

            def f(n):
                c = 0
                i = $s
                while i <= n:
                    if i % $k == 0:
                        c += 1
                    i += 1
                return c
            """
        ),
        params={"k": (2, 3, 4, 5, 6), "s": (1, 7, 12, 16, 21, 24)},
        inputs=lambda rng, p: (
            rng.choice((p["k"] * rng.randint(1, 9), p["s"] + rng.randint(-1, 3), rng.randint(0, 50))),
        ),
        edges=((0,), (1,), (6,), (12,), (24,)),
    ),
    CodeFamily(
        name="count_digit",
        topic="numbers",
        statements=(
            "How many digits of n are equal to $d? Add $s.",
            "Return $s plus the number of times the digit $d stands in n.",
            "Count the digit $d in n, starting the count at $s.",
        ),
        solutions=programs(
            """
            def f(n):
                c = $s
                while n > 0:
                    if n % 10 == $d:
                        c += 1
                    n = n // 10
                return c

            def f(n):
                return str(n).count('$d') + $s

            def f(n):
                c = $s
                for x in str(n):
                    if x == '$d':
                        c += 1
                return c
            """
        ),
        params={"d": (1, 2, 3, 4, 5, 6, 7, 8, 9), "s": (0, 1, 2, 3)},
        inputs=lambda rng, p: (
            int("".join(rng.choice((str(p["d"]), "0", "1", "7", "9")) for _ in range(rng.randint(1, 7)))),
        ),
        edges=((0,), (1234567890,)),
    ),
    CodeFamily(
        name="halving_steps",
        topic="numbers",
        statements=(
            "Halve n if even, else subtract $k, until n is below $m; return the number of steps.",
            "How many steps does n take to get under $m, halving even and lowering odd values by $k?",
            "While n >= $m: n is halved if even, else lessened by $k. Count the rounds.",
        ),
        solutions=programs(
            """
            def f(n):
                c = 0
                while n >= $m:
                    if n % 2 == 0:
                        n //= 2
                    else:
                        n -= $k
                    c += 1
                return c

            def f(n):
                c = 0
                while not n < $m:
                    n = n // 2 if n % 2 == 0 else n - $k
                    c += 1
                return c

            def f(n):
                if n < $m:
                    return 0
                if n % 2 == 1:
                    return 1 + f(n - $k)
                return 1 + f(n // 2)
            """
        ),
        params={"k": (1, 2, 3, 4, 5), "m": (1, 2, 3, 4, 5)},
        inputs=lambda rng, p: (rng.choice((rng.randint(0, 12), rng.randint(0, 99))),),
        edges=((0,), (1,), (2,), (3,), (4,), (5,), (6,)),
    ),
    CodeFamily(
        name="smallest_divisor",
        topic="numbers",
        statements=(
            "Return the smallest divisor of n that is at least $k, or $d if n has none.",
            "Find the least number from $k to n that divides n; answer $d without one.",
            "Which is the first i >= $k with n % i == 0 and i <= n? Else $d.",
        ),
        solutions=programs(
            """
            def f(n):
                i = $k
                while i <= n:
                    if n % i == 0:
                        return i
                    i += 1
                return $d

            def f(n):
                for i in range($k, n + 1):
                    if n % i == 0:
                        return i
                return $d

            def f(n):
                return next((i for i in range($k, n + 1) if n % i == 0), $d)
            """
        ),
        params={"k": (2, 3, 4, 5, 6, 7), "d": (-2, -1, 0)},
        inputs=lambda rng, p: (rng.choice((rng.randint(0, 40), p["k"] * rng.randint(1, 5), p["k"])),),
        edges=((0,), (1,), (2,), (3,), (4,), (5,), (6,), (7,)),
    ),
    CodeFamily(
        name="power_modulo",
        topic="numbers",
        statements=(
            "Return $b to the power n, modulo $m.",
            "Multiply n factors $b and give the remainder by $m.",
            "Compute $b ** n % $m.",
        ),
        solutions=programs(
            """
            def f(n):
                r = 1
                for i in range(n):
                    r = r * $b % $m
                return r % $m

            def f(n):
                return $b ** n % $m

            def f(n):
                r = 1
                while n > 0:
                    r *= $b
                    n -= 1
                return r % $m
            """
        ),
        params={"b": (2, 3, 4, 5), "m": (7, 9, 11, 13, 17)},
        inputs=lambda rng, p: (rng.randint(0, 9),),
        edges=((0,), (1,), (2,)),
    ),
    CodeFamily(
        name="fizz",
        topic="numbers",
        statements=(
            "Return '$u' if n is divisible by $a, '$v' if by $b, both joined if by both, else n.",
            "Give '$u' for multiples of $a, '$v' for those of $b, '$u$v' for both, n otherwise.",
            "Play fizz: n becomes '$u' by $a, '$v' by $b, '$u$v' by both; else return n.",
        ),
        solutions=programs(
            """
            def f(n):
                if n % $a == 0 and n % $b == 0:
                    return '$u$v'
                if n % $a == 0:
                    return '$u'
                if n % $b == 0:
                    return '$v'
                return n

            def f(n):
                s = ''
                if n % $a == 0:
                    s += '$u'
                if n % $b == 0:
                    s += '$v'
                return s or n

            def f(n):
                if n % $a == 0:
                    return '$u$v' if n % $b == 0 else '$u'
                elif n % $b == 0:
                    return '$v'
                else:
                    return n
            """
        ),
        params={"a": (2, 3, 4), "b": (5, 7, 9), "u": ("x", "f"), "v": ("y", "b")},
        inputs=lambda rng, p: (
            rng.choice(
                (p["a"] * rng.randint(0, 9), p["b"] * rng.randint(0, 9), p["a"] * p["b"], rng.randint(0, 60))
            ),
        ),
        edges=((0,), (1,)),
    ),
    CodeFamily(
        name="coins_needed",
        topic="numbers",
        statements=(
            "Pay n with coins of $a first, then coins of 1: how many coins? Add $s.",
            "Return $s plus the number of coins for n from as many ${a}s as fit and ones for the rest.",
            "How many coins make n, using the $a coin greedily and then ones, plus $s?",
        ),
        solutions=programs(
            """
            def f(n):
                c = $s
                while n >= $a:
                    n -= $a
                    c += 1
                return c + n

            def f(n):
                return n // $a + n % $a + $s

            def f(n):
                c = $s
                while n > 0:
                    n -= $a if n >= $a else 1
                    c += 1
                return c
            """
        ),
        params={"a": (3, 4, 5, 6, 7, 8, 9), "s": (0, 1, 2, 3)},
        inputs=lambda rng, p: (rng.choice((rng.randint(0, 40), p["a"] * rng.randint(0, 4))),),
        edges=((0,), (1,)),
    ),
    CodeFamily(
        name="sum_skipping",
        topic="numbers",
        statements=(
            "Sum the numbers from 1 to n, leaving out multiples of $k, times $m.",
            "Add 1 to n without the numbers $k divides, then multiply by $m.",
            "Return $m times the sum of all i <= n, i > 0, not divisible by $k.",
        ),
        solutions=programs(
            """
            def f(n):
                t = 0
                for i in range(1, n + 1):
                    if i % $k != 0:
                        t += i
                return t * $m

            def f(n):
                return $m * sum([i for i in range(1, n + 1) if i % $k])

            def f(n):
                t = 0
                while n > 0:
                    if n % $k > 0:
                        t += n
                    n -= 1
                return $m * t
            """
        ),
        params={"k": (2, 3, 4, 5, 6), "m": (2, 3, 4, 5, 6)},
        inputs=lambda rng, p: (rng.randint(0, 20),),
        edges=((0,), (1,), (6,)),
    ),
    CodeFamily(
        name="tiered_price",
        topic="numbers",
        statements=(
            "The first $k units cost $a each, all further ones $b: what do n units cost?",
            "Price n units: $a each up to $k of them and $b each beyond.",
            "Return the cost of n at $a a piece for the first $k and $b for the rest.",
        ),
        solutions=programs(
            """
            def f(n):
                if n <= $k:
                    return n * $a
                return $k * $a + (n - $k) * $b

            def f(n):
                t = 0
                for i in range(n):
                    if i < $k:
                        t += $a
                    else:
                        t += $b
                return t

            def f(n):
                m = min(n, $k)
                return m * $a + (n - m) * $b
            """
        ),
        params={"k": (2, 3, 4, 5, 6), "a": (7, 8, 9), "b": (3, 4, 5)},
        inputs=lambda rng, p: (rng.choice((rng.randint(0, 15), p["k"], p["k"] + 1)),),
        edges=((0,), (1,)),
    ),
    CodeFamily(
        name="clamp_scaled",
        topic="numbers",
        statements=(
            "Return n times $m, but at least $lo and at most $hi.",
            "Multiply n by $m and limit the result to $lo through $hi.",
            "Give n * $m, raised to $lo or lowered to $hi where it lies outside.",
        ),
        solutions=programs(
            """
            def f(n):
                r = n * $m
                if r < $lo:
                    return $lo
                if r > $hi:
                    return $hi
                return r

            def f(n):
                return min(max(n * $m, $lo), $hi)

            def f(n):
                n *= $m
                n = $lo if n < $lo else n
                n = $hi if n > $hi else n
                return n
            """
        ),
        params={"m": (2, 3, 4), "lo": (1, 2, 3), "hi": (20, 25, 30)},
        inputs=lambda rng, p: (rng.randint(-2, 16),),
        edges=tuple((n,) for n in range(-1, 3)),
    ),
    CodeFamily(
        name="overlap_length",
        topic="intervals",
        statements=(
            "Return the length of the overlap of [a, b] and [$lo, $hi], 0 if they are apart.",
            "By how much does the interval from a to b overlap that from $lo to $hi?",
            "How long is the common part of [a, b] and [$lo, $hi]? 0 if none.",
        ),
        solutions=programs(
            """
            def f(a, b):
                lo = max(a, $lo)
                hi = min(b, $hi)
                if hi < lo:
                    return 0
                return hi - lo

            def f(a, b):
                return max(0, min(b, $hi) - max(a, $lo))

            def f(a, b):
                if a < $lo:
                    a = $lo
                if b > $hi:
                    b = $hi
                return b - a if b > a else 0
            """
        ),
        params={"lo": (2, 3, 4, 5, 6), "hi": (9, 10, 11, 12, 13)},
        inputs=lambda rng, p: tuple(sorted((rng.randint(0, 15), rng.randint(0, 15)))),
        edges=((0, 15), (0, 1), (14, 15)),
    ),
    CodeFamily(
        name="points_inside",
        topic="intervals",
        statements=(
            "Count the xs with $lo $cmp_code x < $hi.",
            "How many x of xs satisfy $lo $cmp_code x and x < $hi?",
            "Return the number of xs for which $lo $cmp_code x < $hi holds.",
        ),
        solutions=programs(
            """
            def f(xs):
                n = 0
                for x in xs:
                    if $lo $cmp_code x < $hi:
                        n += 1
                return n

            def f(xs):
                return sum(($lo $cmp_code x and x < $hi for x in xs))

            def f(xs):
                ys = [x for x in xs if $lo $cmp_code x]
                return len([y for y in ys if y < $hi])
            """
        ),
        params={"lo": (1, 2, 3, 4), "hi": (8, 9, 10, 11), "cmp": ({"code": "<"}, {"code": "<="})},
        inputs=lambda rng, p: (numbers_near(rng, p["lo"], p["hi"]),),
        edges=(([],),),
    ),
    CodeFamily(
        name="long_intervals",
        topic="intervals",
        statements=(
            "Given pairs (a, b), add up the lengths b - a that are $cmp_word $k.",
            "Sum the lengths b - a of those intervals in ps with a length $cmp_word $k.",
            "What is the total length of the intervals of ps $cmp_word $k long?",
        ),
        solutions=programs(
            """
            def f(ps):
                t = 0
                for a, b in ps:
                    if b - a $cmp_code $k:
                        t += b - a
                return t

            def f(ps):
                return sum((b - a for a, b in ps if b - a $cmp_code $k))

            def f(ps):
                ds = [b - a for a, b in ps]
                t = 0
                for d in ds:
                    if d $cmp_code $k:
                        t += d
                return t
            """
        ),
        params={"cmp": COMPARISONS, "k": (2, 3, 4, 5, 6)},
        inputs=lambda rng, p: (_intervals(rng, p["k"]),),
        edges=(([],),),
    ),
    CodeFamily(
        name="wide_gaps",
        topic="intervals",
        statements=(
            "Sort xs and count the gaps between neighbours $cmp_word $k.",
            "How many neighbours in sorted xs are $cmp_word $k apart?",
            "In sorted order, how many steps between xs are $cmp_word $k?",
        ),
        solutions=programs(
            """
            def f(xs):
                ys = sorted(xs)
                n = 0
                for i in range(1, len(ys)):
                    if ys[i] - ys[i - 1] $cmp_code $k:
                        n += 1
                return n

            def f(xs):
                ys = sorted(xs)
                return sum((b - a $cmp_code $k for a, b in zip(ys, ys[1:])))

            def f(xs):
                xs = sorted(xs)
                n = 0
                while len(xs) > 1:
                    x = xs.pop()
                    if x - xs[-1] $cmp_code $k:
                        n += 1
                return n
            """
        ),
        params={"cmp": COMPARISONS, "k": (1, 2, 3, 4, 5)},
        inputs=lambda rng, p: (
            [
                rng.choice((0, p["k"], 2 * p["k"], p["k"] + 1, rng.randint(0, 20)))
                for _ in range(rng.randint(0, 6))
            ],
        ),
        edges=(([],), ([3],)),
    ),
    CodeFamily(
        name="distance_to_range",
        topic="intervals",
        statements=(
            "How far is x from the range $lo to $hi? Inside give 0, outside add $p to the distance.",
            "Return 0 if $lo <= x <= $hi, else the distance of x to the nearer end plus $p.",
            "Give 0 inside [$lo, $hi]; outside, the distance of x from it plus $p.",
        ),
        solutions=programs(
            """
            def f(x):
                if x < $lo:
                    return $lo - x + $p
                if x > $hi:
                    return x - $hi + $p
                return 0

            def f(x):
                d = max($lo - x, x - $hi)
                return d + $p if d > 0 else 0

            def f(x):
                if x >= $lo and x <= $hi:
                    return 0
                return min(abs(x - $lo), abs(x - $hi)) + $p
            """
        ),
        params={"lo": (2, 3, 4), "hi": (8, 9, 10), "p": (1, 2, 3, 4)},
        inputs=lambda rng, p: (rng.randint(-3, 15),),
        edges=tuple((x,) for x in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11)),
    ),
    CodeFamily(
        name="count_cells",
        topic="grids",
        statements=(
            "Count the cells of the grid g $cmp_word $k.",
            "How many values in all rows of g are $cmp_word $k?",
            "Return the number of entries of g that are $cmp_word $k.",
        ),
        solutions=programs(
            """
            def f(g):
                n = 0
                for r in g:
                    for x in r:
                        if x $cmp_code $k:
                            n += 1
                return n

            def f(g):
                return sum((x $cmp_code $k for r in g for x in r))

            def f(g):
                n = 0
                for i in range(len(g)):
                    for j in range(len(g[i])):
                        if g[i][j] $cmp_code $k:
                            n += 1
                return n
            """
        ),
        params={"cmp": COMPARISONS, "k": (2, 3, 4, 5, 6)},
        inputs=lambda rng, p: (_grid(rng, p["k"]),),
        edges=(([],), ([[]],)),
    ),
    CodeFamily(
        name="rows_above",
        topic="grids",
        statements=(
            "List the sums of the rows of g that are $cmp_word $k.",
            "Return the row sums of g, only those $cmp_word $k.",
            "Add up each row of g and keep the sums $cmp_word $k.",
        ),
        solutions=programs(
            """
            def f(g):
                ys = []
                for r in g:
                    if sum(r) $cmp_code $k:
                        ys.append(sum(r))
                return ys

            def f(g):
                return [t for t in [sum(r) for r in g] if t $cmp_code $k]

            def f(g):
                ys = []
                for r in g:
                    t = 0
                    for x in r:
                        t += x
                    if t $cmp_code $k:
                        ys.append(t)
                return ys
            """
        ),
        params={"cmp": COMPARISONS, "k": (4, 5, 6, 7, 8)},
        inputs=lambda rng, p: (
            [_row_of(rng, p["k"] + rng.choice((-1, 0, 0, 1))) for _ in range(rng.randint(0, 4))],
        ),
        edges=(([],), ([[]],)),
    ),
    CodeFamily(
        name="diagonal_sum",
        topic="grids",
        statements=(
            "Return the sum of the diagonal of the square grid g times $m, less $k.",
            "Add g[i][i] over the square g, multiply by $m and subtract $k.",
            "Give $m times the main diagonal's sum of g, minus $k.",
        ),
        solutions=programs(
            """
            def f(g):
                t = 0
                for i in range(len(g)):
                    t += g[i][i]
                return t * $m - $k

            def f(g):
                return sum((r[i] for i, r in enumerate(g))) * $m - $k

            def f(g):
                t = 0
                i = 0
                while i < len(g):
                    t += g[i][i]
                    i += 1
                return $m * t - $k
            """
        ),
        params={"m": (2, 3, 4, 5), "k": (1, 2, 3, 4, 5, 6)},
        inputs=lambda rng, p: (_square_grid(rng),),
        edges=(([],), ([[5]],)),
    ),
    CodeFamily(
        name="column_sum",
        topic="grids",
        statements=(
            "Return the sum of column $c of g over rows long enough, starting from $s.",
            "Add up index $c of every row of g that has it, plus $s.",
            "Sum r[$c] over the rows r of g with more than $c values, plus $s.",
        ),
        solutions=programs(
            """
            def f(g):
                t = $s
                for r in g:
                    if len(r) > $c:
                        t += r[$c]
                return t

            def f(g):
                return $s + sum([r[$c] for r in g if len(r) > $c])

            def f(g):
                t = $s
                for r in g:
                    if len(r) <= $c:
                        continue
                    t = t + r[$c]
                return t
            """
        ),
        params={"c": (0, 1, 2, 3), "s": (1, 2, 3, 4, 5)},
        inputs=lambda rng, p: (_ragged_rows(rng, p["c"]),),
        edges=(([],), ([[]],)),
    ),
)
