"""Many small cases in one test, where a test for each would cost more than what it tries."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

type _Test = Callable[..., Any]


def for_each(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[[_Test], _Test]:
    """As `pytest.mark.parametrize`, in one test: it tries all values, and then fails with each that failed."""
    called, cases = (names,) if isinstance(names, str) else names, list(values)

    def given(value: Any) -> dict[str, Any]:
        return dict(zip(called, [value] if isinstance(names, str) else value, strict=True))

    def wrapped(test: _Test) -> _Test:
        @wraps(test)
        def every(**fixtures: Any) -> None:
            failures: list[Exception] = []
            for value in cases:
                try:
                    test(**fixtures, **given(value))
                except Exception as failure:  # noqa: BLE001 - all of them are told at the end
                    failures.append(_of(failure, value))
            _tell(failures, cases)

        @wraps(test)
        async def every_async(**fixtures: Any) -> None:
            failures: list[Exception] = []
            for value in cases:
                try:
                    await test(**fixtures, **given(value))
                except Exception as failure:  # noqa: BLE001 - all of them are told at the end
                    failures.append(_of(failure, value))
            _tell(failures, cases)

        chosen: _Test = every_async if inspect.iscoroutinefunction(test) else every
        asked = inspect.signature(test)
        left = [each for name, each in asked.parameters.items() if name not in called]
        vars(chosen)["__signature__"] = asked.replace(parameters=left)
        return chosen

    return wrapped


def _of(failure: Exception, value: Any) -> Exception:
    failure.add_note(f"of {value!r}")
    return failure


def _tell(failures: Sequence[Exception], cases: Sequence[Any]) -> None:
    assert cases, "there is nothing to try"
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(cases)} failed", failures)
