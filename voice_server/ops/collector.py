"""Python's garbage collector, told what a server is like."""

import gc

__all__ = ["spare_collector"]

_THRESHOLDS = (2_000, 5, 50)


def spare_collector() -> None:
    """Call it once all is loaded, where the server has the process to itself.

    A full collection looks at every object and stops every voice for 0.1 s and more. What is loaded
    stays, so it need not be looked at again; and of sessions little is left that only the collector can free.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
