"""The one exception that means: the person at the keyboard can mend this."""


class InputError(ValueError):
    """Bad usage or bad input.

    Its message is one line that says what came, what is accepted and what to do. The command line
    prints that line and exits with code 2 (`kerasseg.cli`).
    """


class DataError(InputError):
    """Bad input that lies in a file of a data set, where others may be bad in the same way.

    Attributes:
        kind: What is wrong, in a word that `kerasseg inspect` counts by.
    """

    def __init__(self, message: str, *, kind: str):
        super().__init__(message)
        self.kind = kind
