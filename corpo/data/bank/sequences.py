"""Code families on lists of integers: aggregates, transformations and searches."""

from __future__ import annotations

from random import Random

from corpo.data.bank.base import COMPARISONS, CodeFamily, numbers_near, programs

_EMPTY: tuple[tuple[list[int]], ...] = (([],),)


def _mostly_rising(rng: Random, slope: int) -> list[int]:
    """Draw a short list that rises by about `slope` per place, with some random values in between."""
    numbers = []
    for place in range(rng.randint(0, 7)):
        is_on_line = rng.random() < 0.7
        numbers.append(place * slope + rng.choice((-1, 0, 0, 1)) if is_on_line else rng.randint(0, 9))
    return numbers


FAMILIES: tuple[CodeFamily, ...] = (
    CodeFamily(
        name="sum_compared",
        topic="aggregate",
        statements=(
            "Return the sum of the values in xs that are $cmp_word $k.",
            "Add up all values of xs $cmp_word $k and return the total.",
            "What is the total of those xs that are $cmp_word $k?",
        ),
        solutions=programs(
            """
            def f(xs):
                t = 0
                for x in xs:
                    if x $cmp_code $k:
                        t += x
                return t

            def f(xs):
                return sum((x for x in xs if x $cmp_code $k))

            def f(xs):
                t = 0
                i = 0
                while i < len(xs):
                    if xs[i] $cmp_code $k:
                        t += xs[i]
                    i += 1
                return t

            def f(xs):
                if not xs:
                    return 0
                r = f(xs[1:])
                if xs[0] $cmp_code $k:
                    r += xs[0]
                return r
            """
        ),
        params={"cmp": COMPARISONS, "k": tuple(range(1, 13))},
        inputs=lambda rng, p: (numbers_near(rng, p["k"]),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="product_of_multiples",
        topic="aggregate",
        statements=(
            "Return the product of the values in xs divisible by $k, times $m.",
            "Multiply $m by every value of xs that is a multiple of $k.",
            "Starting from $m, multiply in each of the xs divisible by $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                r = $m
                for x in xs:
                    if x % $k == 0:
                        r *= x
                return r

            def f(xs):
                r = $m
                for x in xs:
                    if x % $k != 0:
                        continue
                    r = r * x
                return r

            def f(xs):
                ys = [x for x in xs if x % $k == 0]
                r = $m
                while ys:
                    r *= ys.pop()
                return r
            """
        ),
        params={"k": (2, 3, 4, 5, 6, 7, 8, 9), "m": (1, 2, 3, 4, 5)},
        inputs=lambda rng, p: (
            [
                rng.choice((p["k"], 2 * p["k"], -p["k"], 3 * p["k"], 1, 5, 7, 8)) + rng.choice((0, 0, 0, 1))
                for _ in range(rng.randint(0, 5))
            ],
        ),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="count_in_range",
        topic="aggregate",
        statements=(
            "Count the values x in xs with $lo <= x <= $hi.",
            "How many of the xs lie between $lo and $hi, both included?",
            "Return the number of values in xs from $lo to $hi inclusive.",
        ),
        solutions=programs(
            """
            def f(xs):
                n = 0
                for x in xs:
                    if x >= $lo and x <= $hi:
                        n += 1
                return n

            def f(xs):
                return len([x for x in xs if $lo <= x <= $hi])

            def f(xs):
                n = len(xs)
                for x in xs:
                    if x < $lo or x > $hi:
                        n -= 1
                return n
            """
        ),
        params={"lo": (0, 1, 2, 3, 4, 5), "hi": (7, 8, 9, 10, 11, 12)},
        inputs=lambda rng, p: (numbers_near(rng, p["lo"], p["hi"]),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="largest_not_divisible",
        topic="aggregate",
        statements=(
            "Return the largest value in xs not divisible by $k, or $d if none.",
            "What is the maximum of the xs that are no multiple of $k? Give $d without one.",
            "Find the greatest of xs that $k does not divide; return $d if there is none.",
        ),
        solutions=programs(
            """
            def f(xs):
                r = None
                for x in xs:
                    if x % $k != 0:
                        if r is None or x > r:
                            r = x
                return $d if r is None else r

            def f(xs):
                return max((x for x in xs if x % $k != 0), default=$d)

            def f(xs):
                ys = sorted(xs)
                while ys:
                    x = ys.pop()
                    if x % $k != 0:
                        return x
                return $d
            """
        ),
        params={"k": (2, 3, 4, 5, 6, 7), "d": (-1, 0, 1, 99)},
        inputs=lambda rng, p: (
            [rng.choice((p["k"], 2 * p["k"], rng.randint(-9, 20))) for _ in range(rng.randint(0, 6))],
        ),
        edges=(([],), ([0],)),
    ),
    CodeFamily(
        name="extremes_apart",
        topic="aggregate",
        statements=(
            "Return the largest minus the smallest value of xs, plus $k; return $d if xs is empty.",
            "How far are the extremes of xs apart? Add $k, and return $d for an empty list.",
            "Give max(xs) - min(xs) + $k, or $d when xs has no values.",
        ),
        solutions=programs(
            """
            def f(xs):
                if not xs:
                    return $d
                return max(xs) - min(xs) + $k

            def f(xs):
                if len(xs) == 0:
                    return $d
                lo = xs[0]
                hi = xs[0]
                for x in xs:
                    if x < lo:
                        lo = x
                    if x > hi:
                        hi = x
                return hi - lo + $k

            def f(xs):
                ys = sorted(xs)
                if ys:
                    return ys[-1] - ys[0] + $k
                return $d
            """
        ),
        params={"k": (1, 2, 3, 4, 5, 6, 7, 8), "d": (-3, -2, -1, 0)},
        inputs=lambda rng, p: ([rng.randint(-5, 9) for _ in range(rng.randint(0, 6))],),
        edges=(([],), ([4],)),
    ),
    CodeFamily(
        name="alternating_sum",
        topic="aggregate",
        statements=(
            "Return $m times the alternating sum of xs: first value plus, second minus, and so on, plus $k.",
            "Add values at even indices of xs, subtract those at odd ones, multiply by $m, add $k.",
            "Compute (xs[0] - xs[1] + xs[2] - ...) * $m + $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                t = 0
                s = 1
                for x in xs:
                    t += s * x
                    s = -s
                return t * $m + $k

            def f(xs):
                t = 0
                for i, x in enumerate(xs):
                    if i % 2 == 0:
                        t += x
                    else:
                        t -= x
                return t * $m + $k

            def f(xs):
                return (sum(xs[::2]) - sum(xs[1::2])) * $m + $k
            """
        ),
        params={"m": (2, 3, 4, 5, 6), "k": (1, 2, 3, 4, 5, 6, 7, 8)},
        inputs=lambda rng, p: ([rng.randint(-9, 9) for _ in range(rng.randint(0, 6))],),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="capped_sum",
        topic="aggregate",
        statements=(
            "Return the sum of xs where values above $cap count as $cap, less $k.",
            "Add up xs counting no value as more than $cap, then subtract $k.",
            "Sum min(x, $cap) over xs and take away $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                t = 0
                for x in xs:
                    if x > $cap:
                        t += $cap
                    else:
                        t += x
                return t - $k

            def f(xs):
                return sum((min(x, $cap) for x in xs)) - $k

            def f(xs):
                t = -$k
                for x in xs:
                    t += $cap if x > $cap else x
                return t
            """
        ),
        params={"cap": (2, 3, 4, 5, 6, 7, 8, 9), "k": (1, 2, 3, 4, 5)},
        inputs=lambda rng, p: (numbers_near(rng, p["cap"]),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="sum_of_squares",
        topic="aggregate",
        statements=(
            "Return the sum of the squares of the values of xs $cmp_word $k.",
            "Square every value of xs that is $cmp_word $k and add the squares up.",
            "What do the squares of those xs $cmp_word $k add up to?",
        ),
        solutions=programs(
            """
            def f(xs):
                t = 0
                for x in xs:
                    if x $cmp_code $k:
                        t += x * x
                return t

            def f(xs):
                return sum([x ** 2 for x in xs if x $cmp_code $k])

            def f(xs):
                t = 0
                for i in range(len(xs)):
                    if xs[i] $cmp_code $k:
                        t = t + xs[i] ** 2
                return t
            """
        ),
        params={"cmp": COMPARISONS, "k": (-3, -2, -1, 0, 1, 2, 3, 4, 5)},
        inputs=lambda rng, p: (numbers_near(rng, p["k"], low=-6, high=9),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="clip_values",
        topic="transform",
        statements=(
            "Return xs with values below $lo raised to $lo and values above $hi lowered to $hi.",
            "Clip every value of xs to the range from $lo to $hi.",
            "Limit each of the xs to at least $lo and at most $hi.",
        ),
        solutions=programs(
            """
            def f(xs):
                ys = []
                for x in xs:
                    if x < $lo:
                        ys.append($lo)
                    elif x > $hi:
                        ys.append($hi)
                    else:
                        ys.append(x)
                return ys

            def f(xs):
                return [max($lo, min(x, $hi)) for x in xs]

            def f(xs):
                ys = []
                for x in xs:
                    x = max(x, $lo)
                    x = min(x, $hi)
                    ys.append(x)
                return ys
            """
        ),
        params={"lo": (0, 1, 2, 3, 4, 5), "hi": (7, 8, 9, 10, 11, 12)},
        inputs=lambda rng, p: (numbers_near(rng, p["lo"], p["hi"]),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="replace_multiples",
        topic="transform",
        statements=(
            "Return xs with every multiple of $k replaced by $v.",
            "Put $v in place of each value of xs that $k divides.",
            "Copy xs, writing $v wherever a value is divisible by $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                ys = []
                for x in xs:
                    if x % $k == 0:
                        ys.append($v)
                    else:
                        ys.append(x)
                return ys

            def f(xs):
                return [$v if x % $k == 0 else x for x in xs]

            def f(xs):
                ys = list(xs)
                for i in range(len(ys)):
                    if ys[i] % $k == 0:
                        ys[i] = $v
                return ys
            """
        ),
        params={"k": (2, 3, 4, 5, 6, 7, 8), "v": (-1, 0, 1, 2, 10)},
        inputs=lambda rng, p: (
            [rng.choice((p["k"], 2 * p["k"], rng.randint(0, 20))) for _ in range(rng.randint(0, 6))],
        ),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="rotate_left",
        topic="transform",
        statements=(
            "Rotate xs left by $k places, then append $v.",
            "Move the first $k values of xs to its end, wrapping round, and add $v last.",
            "Return xs turned left $k times, with $v put behind it.",
        ),
        solutions=programs(
            """
            def f(xs):
                if not xs:
                    return [$v]
                k = $k % len(xs)
                return xs[k:] + xs[:k] + [$v]

            def f(xs):
                ys = list(xs)
                for i in range($k):
                    if ys:
                        ys.append(ys.pop(0))
                return ys + [$v]

            def f(xs):
                n = len(xs)
                ys = [xs[(i + $k) % n] for i in range(n)]
                ys.append($v)
                return ys
            """
        ),
        params={"k": (1, 2, 3, 4, 5, 6), "v": (0, 1, 2, 3, 4, 5)},
        inputs=lambda rng, p: ([rng.randint(0, 9) for _ in range(rng.randint(0, 8))],),
        edges=(([],), ([7],)),
    ),
    CodeFamily(
        name="running_total_reset",
        topic="transform",
        statements=(
            "Return the running totals of xs, the total starting again from 0 once it is $cmp_word $k.",
            "List the running sums of xs; after a sum $cmp_word $k the next one starts from 0.",
            "Accumulate xs, resetting the sum to 0 after it is $cmp_word $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                ys = []
                t = 0
                for x in xs:
                    t += x
                    ys.append(t)
                    if t $cmp_code $k:
                        t = 0
                return ys

            def f(xs):
                ys = []
                for x in xs:
                    if ys and (not ys[-1] $cmp_code $k):
                        ys.append(ys[-1] + x)
                    else:
                        ys.append(x)
                return ys

            def f(xs):
                ys = []
                t = 0
                for i in range(len(xs)):
                    t = t + xs[i]
                    ys.append(t)
                    t = 0 if t $cmp_code $k else t
                return ys
            """
        ),
        params={"cmp": COMPARISONS[::2], "k": tuple(range(3, 15))},
        inputs=lambda rng, p: (
            [rng.choice((1, 2, 3, p["k"], p["k"] - 1, p["k"] - 2)) for _ in range(rng.randint(0, 7))],
        ),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="every_kth",
        topic="transform",
        statements=(
            "Return every $k-th value of xs starting with index $s.",
            "Take the values of xs at indices $s, $s + $k, $s + 2 * $k and so on.",
            "From index $s on, keep one value of xs in $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                return xs[$s::$k]

            def f(xs):
                ys = []
                i = $s
                while i < len(xs):
                    ys.append(xs[i])
                    i += $k
                return ys

            def f(xs):
                ys = []
                for i in range(len(xs)):
                    if i >= $s and (i - $s) % $k == 0:
                        ys.append(xs[i])
                return ys
            """
        ),
        params={"k": (2, 3, 4, 5), "s": (1, 2, 3, 4)},
        inputs=lambda rng, p: ([rng.randint(0, 9) for _ in range(rng.randint(0, 14))],),
        edges=(([],), (list(range(14)),)),
    ),
    CodeFamily(
        name="differences",
        topic="transform",
        statements=(
            "Return the differences between neighbours in xs, later minus earlier, each times $m plus $k.",
            "For each pair of neighbours in xs give (next - this) * $m + $k.",
            "List (xs[i + 1] - xs[i]) * $m + $k for every i.",
        ),
        solutions=programs(
            """
            def f(xs):
                ys = []
                for i in range(len(xs) - 1):
                    ys.append((xs[i + 1] - xs[i]) * $m + $k)
                return ys

            def f(xs):
                return [(b - a) * $m + $k for a, b in zip(xs, xs[1:])]

            def f(xs):
                ys = []
                for i in range(1, len(xs)):
                    d = xs[i] - xs[i - 1]
                    ys.append(d * $m + $k)
                return ys
            """
        ),
        params={"m": (2, 3, 4, 5), "k": (1, 2, 3, 4, 5, 6, 7)},
        inputs=lambda rng, p: ([rng.randint(-5, 12) for _ in range(rng.randint(0, 6))],),
        edges=(([],), ([3],)),
    ),
    CodeFamily(
        name="scale_compared",
        topic="transform",
        statements=(
            "Return xs with each value $cmp_word $k multiplied by $m.",
            "Multiply by $m those values of xs that are $cmp_word $k and keep the others.",
            "Copy xs, but take $m times every value $cmp_word $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                ys = []
                for x in xs:
                    if x $cmp_code $k:
                        x = x * $m
                    ys.append(x)
                return ys

            def f(xs):
                return [x * $m if x $cmp_code $k else x for x in xs]

            def f(xs):
                ys = xs[:]
                for i, x in enumerate(xs):
                    if x $cmp_code $k:
                        ys[i] *= $m
                return ys
            """
        ),
        params={"cmp": COMPARISONS, "k": (3, 4, 5, 6, 7), "m": (2, 3, 4)},
        inputs=lambda rng, p: (numbers_near(rng, p["k"]),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="drop_repeats",
        topic="transform",
        statements=(
            "Drop each value of xs equal to the one before it, then keep at most the first $k, "
            "plus $v at the end.",
            "Remove repeats of neighbours in xs, cut to $k values, and append $v.",
            "Collapse runs of equal values in xs, take the first $k of them and add $v behind.",
        ),
        solutions=programs(
            """
            def f(xs):
                ys = []
                for x in xs:
                    if not ys or ys[-1] != x:
                        ys.append(x)
                return ys[:$k] + [$v]

            def f(xs):
                ys = []
                for i in range(len(xs)):
                    if i == 0 or xs[i] != xs[i - 1]:
                        ys.append(xs[i])
                ys = ys[:$k]
                ys.append($v)
                return ys

            def f(xs):
                ys = xs[:1]
                for a, b in zip(xs, xs[1:]):
                    if a != b:
                        ys.append(b)
                return ys[:$k] + [$v]
            """
        ),
        params={"k": (2, 3, 4, 5), "v": (0, 1, 2, 3, 4, 5)},
        inputs=lambda rng, p: ([rng.randint(0, 2) for _ in range(rng.randint(0, 12))],),
        edges=(([],), ([1, 1],), ([0, 1, 0, 1, 0, 1, 0, 1],)),
    ),
    CodeFamily(
        name="first_index",
        topic="search",
        statements=(
            "Return the index of the first value in xs $cmp_word $k, or $d if there is none.",
            "Where in xs is the first value $cmp_word $k? Give $d without one.",
            "Find the lowest i with xs[i] $cmp_word $k; return $d if no value is.",
        ),
        solutions=programs(
            """
            def f(xs):
                for i, x in enumerate(xs):
                    if x $cmp_code $k:
                        return i
                return $d

            def f(xs):
                i = 0
                while i < len(xs):
                    if xs[i] $cmp_code $k:
                        return i
                    i += 1
                return $d

            def f(xs):
                return next((i for i, x in enumerate(xs) if x $cmp_code $k), $d)
            """
        ),
        params={"cmp": COMPARISONS, "k": (4, 5, 6, 7, 8, 9, 10), "d": (-2, -1)},
        inputs=lambda rng, p: (numbers_near(rng, p["k"]),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="last_index",
        topic="search",
        statements=(
            "Return the index of the last value in xs equal to $k, or $d if there is none.",
            "Where does $k occur last in xs? Answer $d if it does not.",
            "Find the highest i with xs[i] == $k; return $d without one.",
        ),
        solutions=programs(
            """
            def f(xs):
                r = $d
                for i in range(len(xs)):
                    if xs[i] == $k:
                        r = i
                return r

            def f(xs):
                i = len(xs) - 1
                while i >= 0:
                    if xs[i] == $k:
                        return i
                    i -= 1
                return $d

            def f(xs):
                return max([i for i, x in enumerate(xs) if x == $k], default=$d)
            """
        ),
        params={"k": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), "d": (-3, -2, -1)},
        inputs=lambda rng, p: (
            [rng.choice((p["k"], p["k"] + 1, p["k"] - 1, 7)) for _ in range(rng.randint(0, 7))],
        ),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="longest_run",
        topic="search",
        statements=(
            "Return the length of the longest run of neighbours in xs that are all $cmp_word $k.",
            "How many values in a row of xs are $cmp_word $k at most?",
            "Find the longest stretch of xs with every value $cmp_word $k and return its length.",
        ),
        solutions=programs(
            """
            def f(xs):
                best = 0
                n = 0
                for x in xs:
                    if x $cmp_code $k:
                        n += 1
                        best = max(best, n)
                    else:
                        n = 0
                return best

            def f(xs):
                best = 0
                n = 0
                for x in xs:
                    n = n + 1 if x $cmp_code $k else 0
                    if n > best:
                        best = n
                return best

            def f(xs):
                best = 0
                for i in range(len(xs)):
                    j = i
                    while j < len(xs) and xs[j] $cmp_code $k:
                        j += 1
                    best = max(best, j - i)
                return best
            """
        ),
        params={"cmp": COMPARISONS, "k": (2, 3, 4, 5, 6, 7, 8)},
        inputs=lambda rng, p: ([p["k"] + rng.choice((-1, 0, 1)) for _ in range(rng.randint(0, 9))],),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="count_rises",
        topic="search",
        statements=(
            "Count the places in xs where the next value exceeds this one by at least $k; start from $s.",
            "How many neighbours in xs rise by $k or more? Add $s.",
            "Return $s plus the number of i with xs[i + 1] - xs[i] >= $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                n = $s
                for i in range(len(xs) - 1):
                    if xs[i + 1] - xs[i] >= $k:
                        n += 1
                return n

            def f(xs):
                return $s + sum((b - a >= $k for a, b in zip(xs, xs[1:])))

            def f(xs):
                n = $s
                for i in range(1, len(xs)):
                    if xs[i] >= xs[i - 1] + $k:
                        n += 1
                return n
            """
        ),
        params={"k": (1, 2, 3, 4, 5), "s": (0, 1, 2, 3, 4)},
        inputs=lambda rng, p: (_mostly_rising(rng, p["k"]),),
        edges=(([],), ([1],)),
    ),
    CodeFamily(
        name="pairs_with_sum",
        topic="search",
        statements=(
            "Count the pairs i < j with xs[i] + xs[j] $cmp_word $k.",
            "How many pairs of different positions in xs have a sum $cmp_word $k?",
            "Return the number of two-element choices from xs whose sum is $cmp_word $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                n = 0
                for i in range(len(xs)):
                    for j in range(i + 1, len(xs)):
                        if xs[i] + xs[j] $cmp_code $k:
                            n += 1
                return n

            def f(xs):
                n = 0
                for i, x in enumerate(xs):
                    for y in xs[i + 1:]:
                        if x + y $cmp_code $k:
                            n += 1
                return n

            def f(xs):
                n = 0
                for j in range(len(xs)):
                    for i in range(j):
                        n += xs[i] + xs[j] $cmp_code $k
                return n
            """
        ),
        params={"cmp": (*COMPARISONS, {"word": "equal to", "code": "=="}), "k": (5, 6, 7, 8, 9)},
        inputs=lambda rng, p: ([rng.randint(0, p["k"]) for _ in range(rng.randint(0, 6))],),
        edges=(([],), ([3],)),
    ),
    CodeFamily(
        name="kth_smallest",
        topic="search",
        statements=(
            "Return the $k-th smallest value of xs, or $d if xs has fewer than $k values.",
            "Sort xs upwards and give value number $k, or $d if it is too short.",
            "Which value of xs ranks $k from the bottom? Answer $d if there are not $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                if len(xs) < $k:
                    return $d
                return sorted(xs)[$k - 1]

            def f(xs):
                ys = list(xs)
                for i in range($k - 1):
                    if ys:
                        ys.remove(min(ys))
                return min(ys) if ys else $d

            def f(xs):
                ys = sorted(xs)
                if len(ys) >= $k:
                    return ys[$k - 1]
                return $d
            """
        ),
        params={"k": (2, 3, 4, 5), "d": (-4, -3, -2, -1)},
        inputs=lambda rng, p: (
            [rng.randint(0, 20) for _ in range(max(0, p["k"] + rng.choice((-2, -1, 0, 1, 2))))],
        ),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="all_steps_within",
        topic="search",
        statements=(
            "Return True if xs never changes by more than $k between neighbours and has at least $n values.",
            "Are there $n or more values in xs, with neighbours at most $k apart?",
            "Check that len(xs) >= $n and that neighbours in xs differ by no more than $k.",
        ),
        solutions=programs(
            """
            def f(xs):
                if len(xs) < $n:
                    return False
                for i in range(1, len(xs)):
                    if abs(xs[i] - xs[i - 1]) > $k:
                        return False
                return True

            def f(xs):
                ok = len(xs) >= $n
                for a, b in zip(xs, xs[1:]):
                    if abs(b - a) > $k:
                        ok = False
                return ok

            def f(xs):
                return len(xs) >= $n and all((abs(a - b) <= $k for a, b in zip(xs, xs[1:])))
            """
        ),
        params={"k": (1, 2, 3, 4, 5), "n": (2, 3, 4, 5)},
        inputs=lambda rng, p: (_walk(rng, p["k"], max(0, p["n"] + rng.choice((-1, 0, 0, 1, 2)))),),
        edges=(([],), ([2],)),
    ),
)


def _walk(rng: Random, k: int, length: int) -> list[int]:
    """Draw a sequence whose steps are often `k`."""
    values = [rng.randint(0, 9)]
    while len(values) < length:
        values.append(
            values[-1] + rng.choice((-1, 1)) * rng.choice((0, 1, k, k, k, k + (rng.random() < 0.3)))
        )
    return values[:length]
