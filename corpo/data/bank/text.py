"""Code families on strings, and on counting through dictionaries."""

from __future__ import annotations

from random import Random

from corpo.data.bank.base import COMPARISONS, CodeFamily, programs

_LETTERS = ("a", "b", "c", "d", "e")
_EMPTY = (("",),)


def _word(rng: Random, letters: str = "abcde", longest: int = 9) -> str:
    return "".join(rng.choice(letters) for _ in range(rng.randint(0, longest)))


def _word_list(
    rng: Random, lengths: tuple[int, ...], max_words: int = 5, letters: str = "abcde"
) -> list[str]:
    """Draw up to `max_words` words of at least one letter, whose lengths are among `lengths`."""
    words = []
    for _ in range(rng.randint(0, max_words)):
        length = max(1, rng.choice(lengths))
        words.append("".join(rng.choice(letters) for _ in range(length)))
    return words


def _words(rng: Random, lengths: tuple[int, ...], max_words: int = 5) -> str:
    return " ".join(_word_list(rng, lengths, max_words))


def _nearly_palindrome(rng: Random, skip: str) -> str:
    """Draw a text that is often a palindrome without the letter `skip`, or one letter away from it."""
    half = _word(rng, "xyz", 3)
    text = half + rng.choice(("", "x")) + half[::-1]
    if text and rng.random() < 0.4:
        text = text[:-1] + rng.choice("xyz")
    position = rng.randint(0, len(text))
    return text[:position] + skip * rng.randint(0, 2) + text[position:]


FAMILIES: tuple[CodeFamily, ...] = (
    CodeFamily(
        name="count_letter",
        topic="strings",
        statements=(
            "Return how often '$c' occurs in s, times $m.",
            "Count the letter '$c' in s and multiply the count by $m.",
            "Give $m for every '$c' in s, added up.",
        ),
        solutions=programs(
            """
            def f(s):
                n = 0
                for c in s:
                    if c == '$c':
                        n += 1
                return n * $m

            def f(s):
                return s.count('$c') * $m

            def f(s):
                n = 0
                for i in range(len(s)):
                    if s[i] == '$c':
                        n += $m
                return n
            """
        ),
        params={"c": _LETTERS, "m": (2, 3, 4, 5)},
        inputs=lambda rng, p: (_word(rng),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="replace_letter",
        topic="strings",
        statements=(
            "Return s with every '$c' replaced by '$d'.",
            "Write '$d' for each '$c' in s.",
            "Copy s, turning all '$c' into '$d'.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for c in s:
                    if c == '$c':
                        t += '$d'
                    else:
                        t += c
                return t

            def f(s):
                return s.replace('$c', '$d')

            def f(s):
                return ''.join(['$d' if c == '$c' else c for c in s])

            def f(s):
                cs = list(s)
                for i in range(len(cs)):
                    if cs[i] == '$c':
                        cs[i] = '$d'
                return ''.join(cs)
            """
        ),
        params={"c": _LETTERS, "d": ("x", "y", "z", "u", "-")},
        inputs=lambda rng, p: (_word(rng),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="every_kth_letter",
        topic="strings",
        statements=(
            "Return every $k-th letter of s from index $s on, then '$e'.",
            "Keep the letters of s at indices $s, $s + $k, ... and put '$e' behind.",
            "Starting at index $s, take one letter of s in $k; end with '$e'.",
        ),
        solutions=programs(
            """
            def f(s):
                return s[$s::$k] + '$e'

            def f(s):
                t = ''
                for i in range($s, len(s), $k):
                    t += s[i]
                return t + '$e'

            def f(s):
                t = ''
                i = $s
                while i < len(s):
                    t += s[i]
                    i += $k
                t += '$e'
                return t
            """
        ),
        params={"k": (2, 3, 4), "s": (0, 1, 2), "e": ("!", "?", ".")},
        inputs=lambda rng, p: (_word(rng, "abcdefgh", 12),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="repeat_letter",
        topic="strings",
        statements=(
            "Return s with each '$c' written $k times.",
            "Repeat every '$c' in s $k times and leave other letters alone.",
            "Copy s, stretching each '$c' to $k of them.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for c in s:
                    if c == '$c':
                        t += c * $k
                    else:
                        t += c
                return t

            def f(s):
                return s.replace('$c', '$c' * $k)

            def f(s):
                t = []
                for c in s:
                    n = $k if c == '$c' else 1
                    t.append(c * n)
                return ''.join(t)
            """
        ),
        params={"c": _LETTERS, "k": (2, 3, 4, 5, 6)},
        inputs=lambda rng, p: (_word(rng),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="shift_letters",
        topic="strings",
        statements=(
            "Shift every lowercase letter of s by $k places in the alphabet, z wrapping to a; "
            "keep '$c' as it is.",
            "Apply a Caesar shift of $k to the lowercase s, leaving '$c' alone.",
            "Move each letter of s $k on in the alphabet (cyclic), except '$c'.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for c in s:
                    if c == '$c':
                        t += c
                    else:
                        t += chr((ord(c) - 97 + $k) % 26 + 97)
                return t

            def f(s):
                return ''.join([c if c == '$c' else chr(97 + (ord(c) + $k - 97) % 26) for c in s])

            def f(s):
                t = ''
                for c in s:
                    n = ord(c)
                    if c != '$c':
                        n += $k
                    if n > 122:
                        n -= 26
                    t += chr(n)
                return t
            """
        ),
        params={"k": (1, 2, 3, 4, 5), "c": ("a", "b", "x", "y", "z")},
        inputs=lambda rng, p: (_word(rng, "abwxyz"),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="longest_letter_run",
        topic="strings",
        statements=(
            "Return the length of the longest run of '$c' in s, but at most $k.",
            "How many '$c' stand in a row in s at most? Never answer more than $k.",
            "Find the longest stretch of '$c' in s; return its length capped at $k.",
        ),
        solutions=programs(
            """
            def f(s):
                best = 0
                n = 0
                for c in s:
                    if c == '$c':
                        n += 1
                        best = max(best, n)
                    else:
                        n = 0
                return min(best, $k)

            def f(s):
                best = 0
                n = 0
                for c in s:
                    n = n + 1 if c == '$c' else 0
                    if n > best and n <= $k:
                        best = n
                return best

            def f(s):
                n = 0
                while n < $k and '$c' * (n + 1) in s:
                    n += 1
                return n
            """
        ),
        params={"c": _LETTERS, "k": (2, 3, 4, 5)},
        inputs=lambda rng, p: (_word(rng, p["c"] * 3 + "ab", 10),),
        edges=(("",), ("aaaaaaaa",), ("bbbbbbbb",)),
    ),
    CodeFamily(
        name="count_words",
        topic="strings",
        statements=(
            "Count the words of s with a length $cmp_word $k.",
            "How many words in s have $cmp_word $k letters?",
            "Split s at spaces and count words of length $cmp_word $k.",
        ),
        solutions=programs(
            """
            def f(s):
                n = 0
                for w in s.split():
                    if len(w) $cmp_code $k:
                        n += 1
                return n

            def f(s):
                return len([w for w in s.split() if len(w) $cmp_code $k])

            def f(s):
                ws = s.split()
                n = 0
                while ws:
                    if len(ws.pop()) $cmp_code $k:
                        n += 1
                return n
            """
        ),
        params={"cmp": (*COMPARISONS, {"word": "exactly", "code": "=="}), "k": (2, 3, 4, 5)},
        inputs=lambda rng, p: (_words(rng, (p["k"] - 1, p["k"], p["k"], p["k"] + 1, 2, 5)),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="join_words",
        topic="strings",
        statements=(
            "Join the words of s $cmp_word $k letters long with '$e'.",
            "Keep those words of s that have $cmp_word $k letters and put '$e' between them.",
            "Return the words of s of length $cmp_word $k, joined by '$e'.",
        ),
        solutions=programs(
            """
            def f(s):
                ws = []
                for w in s.split():
                    if len(w) $cmp_code $k:
                        ws.append(w)
                return '$e'.join(ws)

            def f(s):
                return '$e'.join([w for w in s.split() if len(w) $cmp_code $k])

            def f(s):
                t = ''
                for w in s.split():
                    if len(w) $cmp_code $k:
                        if t:
                            t += '$e'
                        t += w
                return t
            """
        ),
        params={"cmp": COMPARISONS, "k": (2, 3, 4), "e": ("-", "+")},
        inputs=lambda rng, p: (_words(rng, (p["k"] - 1, p["k"], p["k"], p["k"] + 1)),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="palindrome_without",
        topic="strings",
        statements=(
            "Is s without every '$c' the same backwards and at least $k long?",
            "Return True if s, its '$c' removed, is a palindrome of $k or more letters.",
            "Drop '$c' from s; check for $k letters or more that read the same both ways.",
        ),
        solutions=programs(
            """
            def f(s):
                t = s.replace('$c', '')
                return len(t) >= $k and t == t[::-1]

            def f(s):
                t = [c for c in s if c != '$c']
                if len(t) < $k:
                    return False
                for i in range(len(t) // 2):
                    if t[i] != t[-1 - i]:
                        return False
                return True

            def f(s):
                t = ''
                r = ''
                for c in s:
                    if c != '$c':
                        t = t + c
                        r = c + r
                return t == r and len(t) >= $k
            """
        ),
        params={"c": _LETTERS, "k": (2, 3, 4, 5)},
        inputs=lambda rng, p: (_nearly_palindrome(rng, p["c"]),),
        edges=(("",), ("xx",), ("xyx",), ("xyyx",), ("xyzyx",), ("xyxy",)),
    ),
    CodeFamily(
        name="truncate",
        topic="strings",
        statements=(
            "Return s if it has at most $k letters, else its first $k followed by '$e'.",
            "Cut s to $k letters and add '$e', but only if s is longer than $k.",
            "Shorten s to its first $k letters plus '$e' when len(s) > $k.",
        ),
        solutions=programs(
            """
            def f(s):
                if len(s) <= $k:
                    return s
                return s[:$k] + '$e'

            def f(s):
                return s[:$k] + '$e' if len(s) > $k else s

            def f(s):
                t = ''
                for c in s:
                    if len(t) == $k:
                        return t + '$e'
                    t += c
                return t
            """
        ),
        params={"k": (2, 3, 4, 5, 6, 7, 8), "e": ("..", "-", "+", "~")},
        inputs=lambda rng, p: (
            "".join(rng.choice("abcde") for _ in range(max(0, p["k"] + rng.choice((-2, -1, 0, 0, 1, 1, 2))))),
        ),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="kth_occurrence",
        topic="strings",
        statements=(
            "Return the index of occurrence number $k of '$c' in s, or -1.",
            "Where in s does '$c' occur for the $k-th time? Answer -1 if it never does.",
            "Find the position of the $k-th '$c' in s; give -1 without one.",
        ),
        solutions=programs(
            """
            def f(s):
                n = 0
                for i, c in enumerate(s):
                    if c == '$c':
                        n += 1
                        if n == $k:
                            return i
                return -1

            def f(s):
                ps = [i for i in range(len(s)) if s[i] == '$c']
                return ps[$k - 1] if len(ps) >= $k else -1

            def f(s):
                p = -1
                for i in range($k):
                    p = s.find('$c', p + 1)
                    if p == -1:
                        return -1
                return p
            """
        ),
        params={"c": _LETTERS, "k": (2, 3, 4, 5)},
        inputs=lambda rng, p: (_word(rng, p["c"] * 4 + "ab", 11),),
        edges=(("",), ("aaaaaa",)),
    ),
    CodeFamily(
        name="pad_word",
        topic="strings",
        statements=(
            "Put '$e' before s until it has $k letters.",
            "Pad s on the left with '$e' to a length of $k; longer ones stay.",
            "Fill s up from the front with '$e' to at least $k letters.",
        ),
        solutions=programs(
            """
            def f(s):
                while len(s) < $k:
                    s = '$e' + s
                return s

            def f(s):
                return s.rjust($k, '$e')

            def f(s):
                n = $k - len(s)
                if n <= 0:
                    return s
                return '$e' * n + s
            """
        ),
        params={"k": (3, 4, 5, 6, 7, 8), "e": ("0", "x", "-", "*")},
        inputs=lambda rng, p: (_word(rng, "abc", p["k"] + 2),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="letters_at_least",
        topic="counting",
        statements=(
            "Return the letters occurring at least $k times in s, in order of first appearance, then '$e'.",
            "Which letters does s hold $k times or more? Join them as first seen and end with '$e'.",
            "List letters of s with a count of $k or more, first seen first, followed by '$e'.",
        ),
        solutions=programs(
            """
            def f(s):
                t = ''
                for c in s:
                    if s.count(c) >= $k and c not in t:
                        t += c
                return t + '$e'

            def f(s):
                d = {}
                for c in s:
                    d[c] = d.get(c, 0) + 1
                return ''.join([c for c in d if d[c] >= $k]) + '$e'

            def f(s):
                d = {}
                for c in s:
                    if c in d:
                        d[c] += 1
                    else:
                        d[c] = 1
                t = ''
                for c, n in d.items():
                    if n >= $k:
                        t += c
                return t + '$e'
            """
        ),
        params={"k": (2, 3, 4, 5), "e": ("!", "?", ".", "-", "+")},
        inputs=lambda rng, p: (_word(rng, "abc", 3 * p["k"]),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="count_exactly",
        topic="counting",
        statements=(
            "How many different values occur $cmp_word $k times in xs? Add $s.",
            "Return $s plus the number of distinct values with a count $cmp_word $k in xs.",
            "Count the distinct xs that appear $cmp_word $k times, plus $s.",
        ),
        solutions=programs(
            """
            def f(xs):
                d = {}
                for x in xs:
                    d[x] = d.get(x, 0) + 1
                n = $s
                for x in d:
                    if d[x] $cmp_code $k:
                        n += 1
                return n

            def f(xs):
                return $s + len([x for x in set(xs) if xs.count(x) $cmp_code $k])

            def f(xs):
                n = $s
                for i in range(len(xs)):
                    if xs[i] not in xs[:i] and xs.count(xs[i]) $cmp_code $k:
                        n += 1
                return n
            """
        ),
        params={
            "cmp": ({"word": "exactly", "code": "=="}, COMPARISONS[0], COMPARISONS[2], COMPARISONS[3]),
            "k": (1, 2, 3),
            "s": (0, 1, 2),
        },
        inputs=lambda rng, p: ([rng.randint(0, 3) for _ in range(rng.randint(0, 9))],),
        edges=(([],),),
    ),
    CodeFamily(
        name="first_seen_often",
        topic="counting",
        statements=(
            "Return the first value of xs to be seen $k times, or $d if none is.",
            "Which value reaches a count of $k first when reading xs? Give $d without one.",
            "Read xs until a value has come $k times and return it; else $d.",
        ),
        solutions=programs(
            """
            def f(xs):
                d = {}
                for x in xs:
                    d[x] = d.get(x, 0) + 1
                    if d[x] == $k:
                        return x
                return $d

            def f(xs):
                for i in range(len(xs)):
                    if xs[:i + 1].count(xs[i]) == $k:
                        return xs[i]
                return $d

            def f(xs):
                ys = []
                for x in xs:
                    ys.append(x)
                    if ys.count(x) >= $k:
                        return x
                return $d
            """
        ),
        params={"k": (2, 3, 4, 5), "d": (-4, -3, -2, -1)},
        inputs=lambda rng, p: ([rng.randint(0, 2) for _ in range(rng.randint(0, 3 * p["k"]))],),
        edges=(([],),),
    ),
    CodeFamily(
        name="remainder_counts",
        topic="counting",
        statements=(
            "Count the values of xs by remainder modulo $k: a list of $k counts, each plus $s.",
            "Return for r from 0 to $k - 1 how many xs leave remainder r by $k, each raised by $s.",
            "Tally xs by x % $k into a list that starts with $s everywhere.",
        ),
        solutions=programs(
            """
            def f(xs):
                ys = [$s] * $k
                for x in xs:
                    ys[x % $k] += 1
                return ys

            def f(xs):
                return [$s + sum((x % $k == r for x in xs)) for r in range($k)]

            def f(xs):
                ys = []
                for r in range($k):
                    n = $s
                    for x in xs:
                        if x % $k == r:
                            n += 1
                    ys.append(n)
                return ys
            """
        ),
        params={"k": (2, 3, 4, 5, 6), "s": (0, 1, 2, 3, 4)},
        inputs=lambda rng, p: ([rng.randint(0, 14) for _ in range(rng.randint(0, 9))],),
        edges=(([],),),
    ),
    CodeFamily(
        name="majority_letter",
        topic="counting",
        statements=(
            "Return True if '$c' occurs in s at least $k times more often than '$d'.",
            "Does s hold '$c' $k or more times oftener than '$d'?",
            "Check that the count of '$c' in s exceeds that of '$d' by $k or more.",
        ),
        solutions=programs(
            """
            def f(s):
                n = 0
                for c in s:
                    if c == '$c':
                        n += 1
                    elif c == '$d':
                        n -= 1
                return n >= $k

            def f(s):
                return s.count('$c') - s.count('$d') >= $k

            def f(s):
                a = 0
                b = 0
                for c in s:
                    if c == '$c':
                        a += 1
                    if c == '$d':
                        b += 1
                return a >= b + $k
            """
        ),
        params={"c": ("a", "b", "c"), "d": ("d", "e", "f"), "k": (1, 2, 3)},
        inputs=lambda rng, p: (_word(rng, p["c"] * 3 + p["d"] * 2 + "z", 9),),
        edges=_EMPTY,
    ),
    CodeFamily(
        name="index_by_letter",
        topic="counting",
        statements=(
            "Group ws by first letter into a dict of counts, skipping words shorter than $k; "
            "add the entry '$e': 0.",
            "Count words of ws with $k or more letters by first letter, in a dict that starts as {'$e': 0}.",
            "Return a dict with '$e': 0 and, per first letter, how many ws have at least $k letters.",
        ),
        solutions=programs(
            """
            def f(ws):
                d = {'$e': 0}
                for w in ws:
                    if len(w) >= $k:
                        d[w[0]] = d.get(w[0], 0) + 1
                return d

            def f(ws):
                d = {'$e': 0}
                for w in ws:
                    if len(w) < $k:
                        continue
                    if w[0] not in d:
                        d[w[0]] = 0
                    d[w[0]] += 1
                return d

            def f(ws):
                ws = [w for w in ws if len(w) >= $k]
                d = {'$e': 0}
                for w in ws:
                    d[w[0]] = len([v for v in ws if v[0] == w[0]])
                return d
            """
        ),
        params={"k": (1, 2, 3, 4), "e": ("*", "+", "-", "?", "!")},
        inputs=lambda rng, p: (
            _word_list(rng, (p["k"] - 1, p["k"], p["k"], p["k"] + 1), max_words=6, letters="abc"),
        ),
        edges=(([],),),
    ),
    CodeFamily(
        name="most_common",
        topic="counting",
        statements=(
            "Return the most common value of xs, the $tie_word one if tied, or $d if xs is empty.",
            "Which value of xs occurs most? Of equals take the $tie_word; answer $d for no values.",
            "Find the mode of xs (the $tie_word among ties); $d if there is none.",
        ),
        solutions=programs(
            """
            def f(xs):
                if not xs:
                    return $d
                n = max([xs.count(x) for x in xs])
                return $tie_code([x for x in xs if xs.count(x) == n])

            def f(xs):
                r = $d
                n = 0
                for x in xs:
                    c = xs.count(x)
                    if c > n:
                        r = x
                        n = c
                    elif c == n:
                        r = $tie_code(r, x)
                return r

            def f(xs):
                d = {}
                for x in xs:
                    d[x] = d.get(x, 0) + 1
                ys = [x for x in d if d[x] == max(d.values())]
                return $tie_code(ys, default=$d)
            """
        ),
        params={
            "tie": ({"word": "smallest", "code": "min"}, {"word": "largest", "code": "max"}),
            "d": (-8, -7, -6, -5, -4, -3, -2, -1),
        },
        inputs=lambda rng, p: ([rng.randint(0, 3) for _ in range(rng.randint(0, 7))],),
        edges=(([],), ([2, 1],), ([1, 2],)),
    ),
)
