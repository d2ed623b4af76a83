"""A training's history as a CSV file, for spreadsheets and other programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from microgradx.files import atomic, check_writable

if TYPE_CHECKING:
    import os

    from microgradx.train.history import History

__all__ = ["CSVLog"]


class CSVLog:
    """A callback for `fit` that keeps the history in a CSV file: one row an epoch.

    The whole file is written anew after every epoch, atomically. So it always holds exactly the
    epochs of the history: a training that is killed and resumed goes on in it without rows that
    are missing or there twice, and one that starts afresh starts the file afresh.

    Parameters
    ----------
    path : str or os.PathLike
        The file. Its first row names the columns: ``epoch``, counted from 1, and the measures.
        Numbers are written so that they are read back to the bit.

    Raises
    ------
    CheckpointError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from microgradx.train import History
    >>> path = pathlib.Path(tempfile.mkdtemp(), "run.csv")
    >>> log, record = CSVLog(path), History("loss")
    >>> for loss in (0.5, 0.25):
    ...     record.add({"loss": loss, "lr": 0.1})
    ...     log(record)
    >>> print(path.read_text())
    epoch,loss,lr
    1,0.5,0.1
    2,0.25,0.1
    <BLANKLINE>
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_writable(path)
        self.path = path

    def __call__(self, history: History) -> None:
        """Write all epochs so far.

        Parameters
        ----------
        history : History
            As `fit` gives it to its callbacks.
        """
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["epoch", *history])
        columns = [history[name] for name in history]
        rows.writerows([epoch, *row] for epoch, row in enumerate(zip(*columns, strict=True), 1))
        with atomic(self.path) as file:
            file.write(text.getvalue().encode())
