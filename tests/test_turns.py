"""The turns in which the slow tests are tried."""

import pathlib
import types

import pytest

from support.turns import EVERY_TURN, in_turn


def cases(function, number, file="test_export.py", marks=("slow",)):
    """Stand in for the tests that pytest makes of a function's cases."""
    return [
        types.SimpleNamespace(
            path=pathlib.Path(file),
            originalname=function,
            case=case,
            get_closest_marker=lambda name: name if name in marks else None,
        )
        for case in range(number)
    ]


def test_the_turns_together_are_all_and_none_twice():
    tests = cases("test_a", 1) + cases("test_b", 4) + cases("test_c", 13)
    tried = [test for turn in range(1, 7) for test in in_turn(tests, turn, 6)]
    assert len(tried) == 18
    assert {id(test) for test in tried} == {id(test) for test in tests}


def test_a_function_with_cases_enough_has_some_in_every_turn():
    tests = cases("test_a", 13)
    assert {len(in_turn(tests, turn, 6)) for turn in range(1, 7)} == {2, 3}


def test_functions_of_one_case_spread():
    tests = [test for number in range(60) for test in cases(f"test_{number}", 1)]
    assert all(3 <= len(in_turn(tests, turn, 6)) <= 20 for turn in range(1, 7))


@pytest.mark.parametrize("file", EVERY_TURN)
def test_what_holds_a_run_to_the_bit_is_in_every_turn(file):
    assert list(pathlib.Path(__file__).parent.rglob(file)), "no file of that name"
    tests = cases("test_a", 5, file=file)
    assert all(in_turn(tests, turn, 6) == tests for turn in range(1, 7))


def test_what_is_not_slow_is_in_every_turn():
    tests = cases("test_a", 5, marks=())
    assert in_turn(tests, 4, 6) == tests


@pytest.mark.parametrize("turn", [0, 7])
def test_a_turn_that_is_none_is_refused(turn):
    with pytest.raises(pytest.UsageError, match=rf"Received: --turn={turn}/6"):
        in_turn([], turn, 6)
