"""More code families on strings, and on counting through dictionaries; none repeats a problem of `text`."""

from __future__ import annotations

from random import Random

from corpo.data.families.base import COMPARISONS, CodeFamily, numbers_near, programs

_LETTERS = ("a", "b", "c", "d", "e")
_EMPTY = (("",),)
_LENGTHS = (
    {"word": "more than", "code": ">"},
    {"word": "at most", "code": "<="},
    {"word": "not exactly", "code": "!="},
)


def _word(rng: Random, letters: str, longest: int = 9) -> str:
    return "".join(rng.choice(letters) for _ in range(rng.randint(0, longest)))


def _words_near(rng: Random, length: int, most: int = 5) -> list[str]:
    """Words of about that length, those one letter shorter or longer being common."""
    lengths = [max(1, length + rng.choice((-1, -1, 0, 0, 0, 1, 1, 2))) for _ in range(rng.randint(0, most))]
    return ["".join(rng.choice("abcde") for _ in range(n)) for n in lengths]


def _scattered(rng: Random, word: str) -> str:
    """The letters of a few copies of the word in disorder, one often missing or too many."""
    letters = list(word * rng.randint(0, 3)) + [rng.choice("abcde") for _ in range(rng.randint(0, 3))]
    rng.shuffle(letters)
    return "".join(letters[rng.randint(0, 1) :])


def _two_tallies(rng: Random, total: int) -> tuple[dict[str, int], dict[str, int]]:
    """Two dicts of small numbers in which sums at and beside the total are common."""
    a: dict[str, int] = {}
    b: dict[str, int] = {}
    for key in rng.sample("abcdef", rng.randint(0, 5)):
        sum_ = total + rng.choice((-2, -1, 0, 0, 0, 1, 2))
        a[key] = rng.randint(1, sum_ - 1) if sum_ > 1 else sum_
        b[key] = sum_ - a[key]
        if rng.random() < 0.3:
            rng.choice((a, b)).pop(key)
    return a, b


FAMILIES: tuple[CodeFamily, ...] = (
    CodeFamily(
        name="strip_leading",
        topic="strings",
        statements=(
            "Remove '$c' from the front of s, but no more than $k of them.",
            "Return s without its leading '$c' letters, dropping $k of these at most.",
            "Strip up to $k letters '$c' from the start of s and return the rest.",
        ),
        solutions=programs(
            """
            def f(s):
                n = 0
                while n < $k and s[n:n + 1] == '$c':
                    n += 1
                return s[n:]

            def f(s):
                for i in range($k):
                    if s.startswith('$c'):
                        s = s[1:]
                return s

            def f(s):
                n = len(s) - len(s.lstrip('$c'))
                return s[min(n, $k):]

            def f(s):
                for i, c in enumerate(s):
                    if c != '$c' or i == $k:
                        return s[i:]
                return ''
            """
        ),
        params={"c": _LETTERS, "k": (1, 2, 3, 4)},
        inputs=lambda rng, p: (p["c"] * rng.randint(0, p["k"] + 2) + _word(rng, "abcde", 4),),
        edges=(("",), ("aa",), ("bbbbbb",)),
    ),
    CodeFamily(
        name="letter_pairs",
        topic="strings",
        statements=(
            "Count the places in s where '$c' is followed directly by '$d'.",
            "How often does '$d' come right after '$c' in s?",
            "Return the number of letters '$c' in s whose next letter is '$d'.",
        ),
        solutions=programs(
            """
            def f(s):
                n = 0
                for i in range(len(s) - 1):
                    if s[i] == '$c' and s[i + 1] == '$d':
                        n += 1
                return n

            def f(s):
                return s.count('$c$d')

            def f(s):
                n = 0
                p = ''
                for c in s:
                    if p == '$c' and c == '$d':
                        n += 1
                    p = c
                return n

            def f(s):
                return len(s.split('$c' + '$d')) - 1
            """
        ),
        params={"c": _LETTERS, "d": ("w", "x", "y", "z")},
        inputs=lambda rng, p: (_word(rng, p["c"] * 2 + p["d"] * 2 + "m", 10),),
        edges=(("",), ("ax",), ("axax",), ("bwb",)),
    ),
    CodeFamily(
        name="mask_vowels",
        topic="strings",
        statements=(
            "Replace every vowel (a, e, i, o, u) of s except '$c' with '$d'.",
            "Return s with '$d' written for each of its vowels aeiou other than '$c'.",
            "Write '$d' over the vowels aeiou in s, but leave every '$c' as it is.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for c in s:
                    if c in 'aeiou' and c != '$c':
                        t += '$d'
                    else:
                        t += c
                return t

            def f(s):
                for v in 'aeiou':
                    if v != '$c':
                        s = s.replace(v, '$d')
                return s

            def f(s):
                vs = 'aeiou'.replace('$c', '')
                return ''.join(['$d' if c in vs else c for c in s])
            """
        ),
        params={"c": ("a", "e", "i", "o", "u"), "d": ("-", "*", ".", "_")},
        inputs=lambda rng, p: (_word(rng, "aeioubcd" + p["c"] * 2, 10),),
        edges=(("",), ("aeiou",)),
    ),
    CodeFamily(
        name="upper_every",
        topic="strings",
        statements=(
            "Make the letter of s at index $r and every $k-th one after it upper case.",
            "Return s with the letters at indices $r, $r + $k, $r + 2 * $k and so on in upper case.",
            "Starting at index $r, turn each $k-th letter of s into upper case.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for i in range(len(s)):
                    if i % $k == $r:
                        t += s[i].upper()
                    else:
                        t += s[i]
                return t

            def f(s):
                cs = list(s)
                for i in range($r, len(s), $k):
                    cs[i] = cs[i].upper()
                return ''.join(cs)

            def f(s):
                t = s[:$r]
                i = $r
                while i < len(s):
                    t += s[i].upper() + s[i + 1:i + $k]
                    i += $k
                return t
            """
        ),
        params={"k": (3, 4, 5, 6, 7, 8), "r": (0, 1, 2)},
        inputs=lambda rng, p: (_word(rng, "abcde", 12),),
        edges=(("",), ("a",), ("abc",)),
    ),
    CodeFamily(
        name="join_chunks",
        topic="strings",
        statements=(
            "Split s into pieces of $k letters, the last perhaps shorter, and join them with '$e'.",
            "Return s with '$e' put in after every $k letters, but never at the end.",
            "Cut s from the left into blocks of $k letters and write '$e' between blocks.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for i in range(len(s)):
                    if i > 0 and i % $k == 0:
                        t += '$e'
                    t += s[i]
                return t

            def f(s):
                ts = [s[i:i + $k] for i in range(0, len(s), $k)]
                return '$e'.join(ts)

            def f(s):
                t = ''
                while len(s) > $k:
                    t += s[:$k] + '$e'
                    s = s[$k:]
                return t + s
            """
        ),
        params={"k": (2, 3, 4, 5, 6), "e": ("-", "+", "/", ".")},
        inputs=lambda rng, p: (("abcde" * 5)[: p["k"] * rng.randint(0, 3) + rng.choice((0, 0, 1, 2))],),
        edges=(("",), ("a",)),
    ),
    CodeFamily(
        name="reverse_words",
        topic="strings",
        statements=(
            "Reverse every word of s that has $cmp_word $k letters; words stay separated by single spaces.",
            "Return s with each word of $cmp_word $k letters written backwards, single spaces between words.",
            "Turn around the words of s with $cmp_word $k letters, keeping their order and single spaces.",
        ),
        solutions=programs(
            """
            def f(s):
                ws = []
                for w in s.split():
                    if len(w) $cmp_code $k:
                        ws.append(w[::-1])
                    else:
                        ws.append(w)
                return ' '.join(ws)

            def f(s):
                ws = s.split()
                for i in range(len(ws)):
                    if len(ws[i]) $cmp_code $k:
                        ws[i] = ws[i][::-1]
                return ' '.join(ws)

            def f(s):
                g = lambda w: w[::-1] if len(w) $cmp_code $k else w
                return ' '.join(map(g, s.split()))
            """
        ),
        params={"cmp": _LENGTHS, "k": (2, 3, 4, 5, 6, 7)},
        inputs=lambda rng, p: (" ".join(_words_near(rng, p["k"])),),
        edges=(("",), ("ab",), ("abc de",)),
    ),
    CodeFamily(
        name="mismatches",
        topic="strings",
        statements=(
            "Count positions where a and b differ and neither has '$c', plus $m per letter one is longer.",
            "How many letters of a and b differ place by place ('$c' matches all)? Add $m per extra letter.",
            "Compare a and b by index: 1 per mismatch without '$c', $m per letter beyond the shorter.",
        ),
        solutions=programs(
            """
            def f(a, b):
                n = abs(len(a) - len(b)) * $m
                for x, y in zip(a, b):
                    if x != y and '$c' not in x + y:
                        n += 1
                return n

            def f(a, b):
                n = 0
                for i in range(max(len(a), len(b))):
                    if i >= len(a) or i >= len(b):
                        n += $m
                    elif a[i] != b[i] and '$c' not in a[i] + b[i]:
                        n += 1
                return n

            def f(a, b):
                if not a or not b:
                    return len(a + b) * $m
                n = f(a[1:], b[1:])
                if a[0] == b[0] or '$c' in a[0] + b[0]:
                    return n
                return n + 1
            """
        ),
        params={"c": _LETTERS, "m": (2, 3, 4, 5)},
        inputs=lambda rng, p: (_word(rng, p["c"] + "xy", 6), _word(rng, p["c"] + "xy", 6)),
        edges=(("", ""), ("ab", ""), ("", "c"), ("xyx", "xxx")),
    ),
    CodeFamily(
        name="text_between",
        topic="strings",
        statements=(
            "Return the part of s between its first '$c' and the next '$d' after that, or '' without them.",
            "What stands between the first '$c' in s and the '$d' following it? Give '' if either lacks.",
            "Cut out the letters after the first '$c' of s up to the next '$d'; '' if there is none.",
        ),
        solutions=programs(
            """
            def f(s):
                i = s.find('$c')
                j = s.find('$d', i + 1)
                if i < 0 or j < 0:
                    return ''
                return s[i + 1:j]

            def f(s):
                p = s.split('$c', 1)
                if len(p) < 2 or '$d' not in p[1]:
                    return ''
                return p[1].split('$d')[0]

            def f(s):
                t = None
                for c in s:
                    if t is None:
                        t = '' if c == '$c' else None
                    elif c == '$d':
                        return t
                    else:
                        t += c
                return ''
            """
        ),
        params={"c": ("a", "b", "c", "d"), "d": ("w", "x", "y", "z")},
        inputs=lambda rng, p: (_word(rng, p["c"] * 2 + p["d"] * 2 + "mn", 10),),
        edges=(("",), ("amx",), ("xam",), ("wbmw",)),
    ),
    CodeFamily(
        name="floor_score",
        topic="strings",
        statements=(
            "Start at 0; each '$c' in s adds $k, any other letter takes away 1, never going below 0.",
            "Read s with a score of 0: plus $k for '$c', else minus 1 unless the score is 0. Return it.",
            "Return the final score of s: '$c' gives $k, other letters cost 1 while the score is positive.",
        ),
        solutions=programs(
            """
            def f(s):
                n = 0
                for c in s:
                    if c == '$c':
                        n += $k
                    elif n > 0:
                        n -= 1
                return n

            def f(s):
                n = 0
                for i in range(len(s)):
                    n += $k if s[i] == '$c' else -1
                    n = max(n, 0)
                return n

            def f(s):
                if not s:
                    return 0
                n = f(s[:-1])
                if s[-1] == '$c':
                    return n + $k
                return max(n - 1, 0)
            """
        ),
        params={"c": _LETTERS, "k": (1, 2, 3, 4)},
        inputs=lambda rng, p: (_word(rng, p["c"] * 2 + "xyz" * rng.randint(1, 2), 9),),
        edges=(("",), ("x",), ("a",), ("xxb",)),
    ),
    CodeFamily(
        name="shorten_runs",
        topic="strings",
        statements=(
            "Shorten every run of '$c' in s that is longer than $k to $k letters.",
            "Return s with no more than $k letters '$c' in a row, dropping the rest of each run.",
            "Copy s but keep only the first $k letters of each unbroken run of '$c'.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                n = 0
                for c in s:
                    n = n + 1 if c == '$c' else 0
                    if n <= $k:
                        t += c
                return t

            def f(s):
                t = ''
                for c in s:
                    if c != '$c' or not t.endswith('$c' * $k):
                        t += c
                return t

            def f(s):
                t = ''
                for i in range(1, len(s) + 1):
                    if not s[:i].endswith('$c' * ($k + 1)):
                        t += s[i - 1]
                return t
            """
        ),
        params={"c": _LETTERS, "k": (1, 2, 3, 4)},
        inputs=lambda rng, p: (
            "".join(p["c"] * rng.randint(0, p["k"] + 2) + rng.choice("xyz") for _ in range(3))[rng.randint(0, 2) :],
        ),
        edges=(("",), ("aaaaaa",), ("xxxxxx",)),
    ),
    CodeFamily(
        name="letters_by_order",
        topic="strings",
        statements=(
            "Keep only the letters of s that stand $cmp_word '$c' in the alphabet.",
            "Return the letters of s that are $cmp_word '$c' in alphabetical order, as a string.",
            "Drop all letters of s but those coming $cmp_word '$c' in the alphabet.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for x in s:
                    if x $cmp_code '$c':
                        t += x
                return t

            def f(s):
                return ''.join([x for x in s if x $cmp_code '$c'])

            def f(s):
                for x in s:
                    if not x $cmp_code '$c':
                        s = s.replace(x, '')
                return s
            """
        ),
        params={
            "cmp": (
                {"word": "before", "code": "<"},
                {"word": "after", "code": ">"},
                {"word": "not before", "code": ">="},
                {"word": "not after", "code": "<="},
            ),
            "c": ("b", "d", "f", "h"),
        },
        inputs=lambda rng, p: (_word(rng, "abcdefghi" + p["c"] * 3 + chr(ord(p["c"]) - 1) + chr(ord(p["c"]) + 1)),),
        edges=(("",), ("abcdefghi",)),
    ),
    CodeFamily(
        name="sum_in_text",
        topic="strings",
        statements=(
            "s holds whole numbers separated by '$e'; add up those $cmp_word $k (0 for an empty s).",
            "Split s at '$e' into numbers and return the sum of those $cmp_word $k, 0 if s is empty.",
            "Return the total of the numbers $cmp_word $k in s, where '$e' separates them; empty s gives 0.",
        ),
        solutions=programs(
            """
            def f(s):
                t = 0
                for w in s.split('$e'):
                    if w and int(w) $cmp_code $k:
                        t += int(w)
                return t

            def f(s):
                t = 0
                n = 0
                for c in s + '$e':
                    if c == '$e':
                        t += n if n $cmp_code $k else 0
                        n = 0
                    else:
                        n = n * 10 + int(c)
                return t

            def f(s):
                ns = [int(w) for w in s.split('$e') if w]
                return sum([n for n in ns if n $cmp_code $k])
            """
        ),
        params={"e": (",", ";"), "cmp": COMPARISONS, "k": (3, 6, 9)},
        inputs=lambda rng, p: (p["e"].join(str(x) for x in numbers_near(rng, p["k"], longest=5, low=0)),),
        edges=(("",), ("6",), ("12",)),
    ),
    CodeFamily(
        name="swap_letters",
        topic="strings",
        statements=(
            "Swap '$c' and '$d' everywhere in s and return the result.",
            "Return s with each '$c' turned into '$d' and each '$d' turned into '$c'.",
            "Exchange the letters '$c' and '$d' throughout s, leaving all others alone.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for x in s:
                    if x == '$c':
                        t += '$d'
                    elif x == '$d':
                        t += '$c'
                    else:
                        t += x
                return t

            def f(s):
                d = {'$c': '$d', '$d': '$c'}
                return ''.join([d.get(x, x) for x in s])

            def f(s):
                s = s.replace('$c', '*')
                s = s.replace('$d', '$c')
                return s.replace('*', '$d')

            def f(s):
                return '$d'.join([t.replace('$d', '$c') for t in s.split('$c')])
            """
        ),
        params={"c": _LETTERS, "d": ("f", "g", "h", "i")},
        inputs=lambda rng, p: (_word(rng, p["c"] * 2 + p["d"] * 2 + "abcf"),),
        edges=(("",), ("af",), ("gb",)),
    ),
    CodeFamily(
        name="spell_word",
        topic="counting",
        statements=(
            "How many times can the word '$w' be spelled with the letters of s, using each letter once?",
            "Return how many copies of '$w' the letters of s are enough for, in any order.",
            "Cut s into single letters and count how often '$w' can be laid with them.",
        ),
        solutions=programs(
            """
            def f(s):
                d = {}
                for c in s:
                    d[c] = d.get(c, 0) + 1
                n = len(s)
                for c in '$w':
                    n = min(n, d.get(c, 0) // '$w'.count(c))
                return n

            def f(s):
                w = '$w'
                return min([s.count(c) // w.count(c) for c in w])

            def f(s):
                for c in '$w':
                    if c not in s:
                        return 0
                    s = s.replace(c, '', 1)
                return f(s) + 1
            """
        ),
        params={
            "w": (
                *("ab", "ad", "be", "add", "bad", "bed", "bee", "cab", "ace", "ebb", "cad"),
                *("abba", "bead", "cede", "dead", "deed", "dada", "baa"),
            )
        },
        inputs=lambda rng, p: (_scattered(rng, p["w"]),),
        edges=(("",), ("abcde",), ("aabbccddee",)),
    ),
    CodeFamily(
        name="count_distinct",
        topic="counting",
        statements=(
            "Count the different values in xs that are $cmp_word $k.",
            "How many distinct values $cmp_word $k does xs hold, repeats counting once?",
            "Return the number of values of xs $cmp_word $k, equal ones counted only once.",
        ),
        solutions=programs(
            """
            def f(xs):
                d = {}
                n = 0
                for x in xs:
                    if x $cmp_code $k and x not in d:
                        d[x] = True
                        n += 1
                return n

            def f(xs):
                return len({x for x in xs if x $cmp_code $k})

            def f(xs):
                n = 0
                for i in range(len(xs)):
                    if xs[i] in xs[:i]:
                        continue
                    if xs[i] $cmp_code $k:
                        n += 1
                return n
            """
        ),
        params={"cmp": COMPARISONS, "k": (1, 4, 7, 10, 13)},
        inputs=lambda rng, p: (numbers_near(rng, p["k"], low=p["k"] - 3, high=p["k"] + 3),),
        edges=(([],), ([4, 4],)),
    ),
    CodeFamily(
        name="merge_totals",
        topic="counting",
        statements=(
            "Add the dicts a and b key by key, missing keys counting 0, and keep only totals $cmp_word $k.",
            "Return a dict of the sums of a and b for each key (0 if missing) that are $cmp_word $k.",
            "Merge a and b by adding the values of equal keys; keep the entries $cmp_word $k.",
        ),
        solutions=programs(
            """
            def f(a, b):
                d = dict(a)
                for x in b:
                    d[x] = d.get(x, 0) + b[x]
                return {x: d[x] for x in d if d[x] $cmp_code $k}

            def f(a, b):
                d = {}
                for x in [*a, *b]:
                    n = a.get(x, 0) + b.get(x, 0)
                    if n $cmp_code $k:
                        d[x] = n
                return d

            def f(a, b):
                d = {}
                for x, n in [*a.items(), *b.items()]:
                    d[x] = d[x] + n if x in d else n
                for x in list(d):
                    if not d[x] $cmp_code $k:
                        del d[x]
                return d
            """
        ),
        params={"cmp": COMPARISONS, "k": (3, 5, 7, 9)},
        inputs=lambda rng, p: _two_tallies(rng, p["k"]),
        edges=(({}, {}), ({"a": 5}, {}), ({"a": 3}, {"a": 4})),
    ),
    CodeFamily(
        name="first_to_reach",
        topic="counting",
        statements=(
            "ps lists (name, points) pairs; return the first name whose total reaches $k, or '$d' if none does.",
            "Add up points by name along the pairs ps; who gets to $k first? Return '$d' for nobody.",
            "Return the name in the (name, points) pairs ps that first collects $k points, else '$d'.",
        ),
        solutions=programs(
            """
            def f(ps):
                d = {}
                for x, n in ps:
                    d[x] = d.get(x, 0) + n
                    if d[x] >= $k:
                        return x
                return '$d'

            def f(ps):
                d = {x: $k for x, n in ps}
                for x, n in ps:
                    d[x] -= n
                    if d[x] <= 0:
                        return x
                return '$d'

            def f(ps):
                for i in range(len(ps)):
                    x = ps[i][0]
                    n = sum([m for y, m in ps[:i + 1] if y == x])
                    if n >= $k:
                        return x
                return '$d'
            """
        ),
        params={"k": (4, 5, 6, 7, 8), "d": ("-", "?", "none", "draw")},
        inputs=lambda rng, p: ([(rng.choice("abc"), rng.randint(1, 4)) for _ in range(rng.randint(0, p["k"] + 1))],),
        edges=(([],), ([("a", 3), ("a", 3)],)),
    ),
    CodeFamily(
        name="near_repeat",
        topic="counting",
        statements=(
            "Return the first index of xs whose value is also among the $k values just before it, else $d.",
            "Where does xs first repeat one of its previous $k values? Give that index, or $d without one.",
            "Find the first index i with xs[i] in the at most $k values before it; $d if none.",
        ),
        solutions=programs(
            """
            def f(xs):
                d = {}
                for i, x in enumerate(xs):
                    if x in d and i - d[x] <= $k:
                        return i
                    d[x] = i
                return $d

            def f(xs):
                for i in range(len(xs)):
                    if xs[i] in xs[max(i - $k, 0):i]:
                        return i
                return $d

            def f(xs):
                ys = []
                for i in range(len(xs)):
                    if xs[i] in ys:
                        return i
                    ys.append(xs[i])
                    if len(ys) > $k:
                        ys.pop(0)
                return $d
            """
        ),
        params={"k": (1, 2, 3, 4), "d": (-4, -3, -2, -1)},
        inputs=lambda rng, p: ([rng.randint(0, p["k"] + 2) for _ in range(rng.randint(0, 9))],),
        edges=(([],), ([3, 3],), ([1, 2, 3, 4, 5, 1],)),
    ),
    CodeFamily(
        name="keep_first_of_each",
        topic="counting",
        statements=(
            "Keep only the first $k occurrences of each value in xs, but keep every $v.",
            "Return xs with values dropped once they have come $k times; all $v stay.",
            "Copy xs in order, taking each value at most $k times, except $v without limit.",
        ),
        solutions=programs(
            """
            def f(xs):
                d = {}
                ys = []
                for x in xs:
                    d[x] = d.get(x, 0) + 1
                    if d[x] <= $k or x == $v:
                        ys.append(x)
                return ys

            def f(xs):
                ys = []
                for x in xs:
                    if x == $v or ys.count(x) < $k:
                        ys.append(x)
                return ys

            def f(xs):
                ys = list(xs)
                for i in range(len(xs) - 1, -1, -1):
                    if xs[i] != $v and xs[:i].count(xs[i]) >= $k:
                        del ys[i]
                return ys
            """
        ),
        params={"k": (1, 2, 3, 4), "v": (0, 1, 2, 3, 4)},
        inputs=lambda rng, p: (
            [rng.choice((p["v"], (p["v"] + 1) % 5, 5)) for _ in range(rng.randint(0, 3 * p["k"] + 2))],
        ),
        edges=(([],), ([0] * 6,), ([1] * 6,)),
    ),
    CodeFamily(
        name="group_by_length",
        topic="counting",
        statements=(
            "Group the words of ws with $cmp_word $k letters into a dict from length to list of words.",
            "Return a dict that lists, by length and in order, the words of ws having $cmp_word $k letters.",
            "Collect words of $cmp_word $k letters from ws in a dict: key the length, value their list.",
        ),
        solutions=programs(
            """
            def f(ws):
                d = {}
                for w in ws:
                    if len(w) $cmp_code $k:
                        d.setdefault(len(w), []).append(w)
                return d

            def f(ws):
                d = {}
                for w in ws:
                    n = len(w)
                    if n $cmp_code $k:
                        d[n] = d.get(n, []) + [w]
                return d

            def f(ws):
                d = {}
                for n in map(len, ws):
                    if n $cmp_code $k:
                        d[n] = [w for w in ws if len(w) == n]
                return d
            """
        ),
        params={"cmp": _LENGTHS, "k": (2, 3, 4, 5, 6, 7)},
        inputs=lambda rng, p: (_words_near(rng, p["k"], 6),),
        edges=(([],), (["ab", "cd"],)),
    ),
)
