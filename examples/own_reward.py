"""A reward of your own: the negative squared error of the scores, plus half a point for a correct verdict.

Put this file into the current folder or into a folder of PYTHONPATH, and import it with `plugins`:

    PYTHONPATH=examples corpo train 'plugins=[own_reward]' reward.name=brier experiment=tiny
"""

from corpo.task import Fault, Verdict, register_reward


@register_reward("brier")
class Brier:
    """A reward of at least `threshold` for every correct verdict, and less for everything else.

    corpo checks this before a run starts.
    """

    def __init__(self, levels: int, threshold: float) -> None:
        self.threshold = threshold

    def __call__(self, response: Verdict | Fault, labels: tuple[bool, bool]) -> float:
        if isinstance(response, Fault):  # the response has no valid verdict
            return -2.0
        squared_error = 0.0
        for score, label in zip(response.scores, labels, strict=True):
            squared_error += (score / 10 - label) ** 2
        bonus = 0.5 if response.is_correct(labels) else 0.0
        return bonus - squared_error / 2
