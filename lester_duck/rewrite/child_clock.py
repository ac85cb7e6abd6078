"""Another time of day for the observed program.

Loaded by path inside the sandbox, in the user's interpreter: standard library only, and syntax
that Python 3.8 accepts.
"""

from __future__ import annotations

import time


def shift_clock(seconds, text):
    """Let the program's clock run ``seconds`` ahead."""
    real_time, real_ns = time.time, time.time_ns
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)
    for name in ("localtime", "gmtime"):
        real = getattr(time, name)
        setattr(time, name, lambda at=None, real=real: real(time.time() if at is None else at))
    real_ctime, real_strftime = time.ctime, time.strftime
    time.ctime = lambda at=None: real_ctime(time.time() if at is None else at)
    time.strftime = lambda form, at=None: real_strftime(form, time.localtime() if at is None else at)
    if any(word in text for word in ("now(", "today(", "utcnow(", ".now", ".today")):
        _shift_datetime()


def _shift_datetime():
    import datetime

    real_date, real_datetime = datetime.date, datetime.datetime

    class Kind(type):
        def __instancecheck__(cls, value):
            return isinstance(value, cls.__mro__[1])

        def __subclasscheck__(cls, other):
            return issubclass(other, cls.__mro__[1])

    class date(real_date, metaclass=Kind):
        def __new__(cls, *args, **kwargs):
            return real_date(*args, **kwargs)

        today = classmethod(lambda cls: real_date.fromtimestamp(time.time()))

    class datetime_(real_datetime, metaclass=Kind):
        def __new__(cls, *args, **kwargs):
            return real_datetime(*args, **kwargs)

        now = classmethod(lambda cls, tz=None: real_datetime.fromtimestamp(time.time(), tz))
        today = classmethod(lambda cls: real_datetime.fromtimestamp(time.time()))
        utcnow = classmethod(lambda cls: real_datetime(*time.gmtime()[:6]))
        strptime = staticmethod(real_datetime.strptime)
        fromisoformat = staticmethod(real_datetime.fromisoformat)
        fromtimestamp = staticmethod(real_datetime.fromtimestamp)
        combine = staticmethod(real_datetime.combine)

    date.__name__ = date.__qualname__ = "date"
    datetime_.__name__ = datetime_.__qualname__ = "datetime"
    datetime.date, datetime.datetime = date, datetime_
