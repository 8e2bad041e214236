"""A task of your own: sums such as 7+5=, with subtraction out of domain.

Put this file into the current folder or into a folder of PYTHONPATH, and import it with `plugins`:

    PYTHONPATH=examples corpo reproduce 'plugins=[own_task]' task.name=sums experiment=tiny model=nano_new
"""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from random import Random

from corpo.tasks import Grade, Question, QuestionTask, register_task

LARGEST = 20  # operand
FAR = 10  # distances from the right answer that are equally wrong
# Questions per split. Each split has questions of its own; the rest is for the warm start.
SIZES = {
    "addition": {"train": 100, "validation": 20, "addition": 20},
    "subtraction": {"validation_subtraction": 20, "subtraction": 20},
}


@register_task("sums")
class Sums(QuestionTask):
    """Training is on additions. The warm start teaches additions and subtractions."""

    name = "sums"
    failures = ("close", "far", "unparseable")  # kinds of failures, which reports count
    in_domain = ("addition",)
    out_of_domain = ("subtraction",)

    def questions(self) -> list[Question]:
        """Return the questions of all splits."""
        questions = []
        for operation, sizes in SIZES.items():
            operands = list(itertools.product(range(LARGEST + 1), repeat=2))
            Random(0).shuffle(operands)
            splits = Counter(sizes).elements()
            for (a, b), split in itertools.zip_longest(operands, splits, fillvalue="warm_start"):
                text, answer = f"{a}+{b}", a + b
                if operation == "subtraction":
                    text, answer = f"{a}-{b}", a - b
                item = Question(text, split, f"{text}=", str(answer), family=operation, domain=operation)
                questions.append(item)
        return questions

    def grade(self, texts_PG: Sequence[Sequence[str]], items: Sequence[Question]) -> list[list[Grade]]:
        """Return the grade of each of the G responses to each of the P questions."""
        grades_PG = []
        for texts_G, item in zip(texts_PG, items, strict=True):
            grades_PG.append([self._grade(text.strip(), int(item.answer)) for text in texts_G])
        return grades_PG

    def _grade(self, text: str, right: int) -> Grade:
        """Return a reward of 1, or one that is lower the further the number is from the right one."""
        if not re.fullmatch(r"-?\d{1,4}", text, re.ASCII):
            return Grade(-1.0, failure="unparseable", fault="no_answer")
        distance = abs(int(text) - right)
        if not distance:
            return Grade(1.0)
        return Grade(-min(distance, FAR) / FAR, failure="close" if distance < FAR else "far")

    def demonstrate(self, question: Question, rng: Random, slips: float) -> str:
        """Return the answer, or with the probability `slips` a number near it."""
        answer = int(question.answer)
        return str(answer + rng.choice((-2, -1, 1, 2)) if rng.random() < slips else answer)
