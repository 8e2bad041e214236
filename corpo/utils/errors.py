"""The errors that a user can remedy. The command line prints each as one line and exits with code 2."""

from __future__ import annotations


class CorpoError(Exception):
    """Base of all errors meant for the user. The message names what is wrong, where, and the remedy."""


class ConfigError(CorpoError, ValueError):
    """An option is unknown, out of range, or does not go with another option."""


class DataError(CorpoError, ValueError):
    """Problems, pairs, labels or the records of a study are missing, damaged or unusable."""


class InstallationError(CorpoError):
    """A file that ships with the package is missing."""


class SandboxError(CorpoError):
    """The sandbox cannot run programs on this machine."""


class ModelError(CorpoError):
    """A model cannot be found or loaded."""


class EngineError(CorpoError):
    """A rollout engine cannot start, or it samples with other weights than the trainer's."""


class NonFiniteError(CorpoError):
    """A value of a training step is NaN or infinite. The weights have not changed."""


class ResponseError(CorpoError):
    """The responses of a policy cannot be read, so that training on them is useless."""


class ProcessKilledError(CorpoError):
    """A process that computed a part of the work was killed."""


class StorageError(CorpoError, OSError):
    """A file cannot be written because of missing space or permission."""
