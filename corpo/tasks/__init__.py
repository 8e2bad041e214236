"""The tasks that policies are trained on, behind one interface: what is asked, and how answers are graded."""

from corpo.tasks.base import Grade, Item, Task
from corpo.tasks.build import is_verify, task_of
from corpo.tasks.questions import Question, QuestionTask
from corpo.tasks.registry import register_task

__all__ = ["Grade", "Item", "Question", "QuestionTask", "Task", "is_verify", "register_task", "task_of"]
