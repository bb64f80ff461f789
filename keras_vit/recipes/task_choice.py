"""Which task settings choose, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from keras_vit.recipes.checked import Settings
from keras_vit.recipes.tasks import (
    TASKS,
    TaskSettings,
    fields_of_tasks,
    name_of,
)

TASKS_OF_SETTINGS = fields_of_tasks()
OF_LABELS = (
    "label_smoothing",
    "class_weights",
    "distillation",
    "pseudo_labels",
)


def changed_task(task: TaskSettings, changes: dict[str, Any]) -> TaskSettings:
    """Return the settings of a task with others, or those of another task.

    Args:
        task: that a recipe has.
        changes: settings of tasks by name, `task` among them.

    Raises:
        ValueError: for a task that there is not, or settings that do not go together.

    Example:

    >>> changed_task(ClassificationSettings(), {"masked_patches": "pixels"})
    MaskedPatchSettings(masked_patches='pixels')
    """
    before = {one.name: getattr(task, one.name) for one in fields(task)}
    name = _chosen(name_of(task), changes)
    known = {one.name for one in fields(TASKS[name])}
    values = {n: v for n, v in changes.items() if n != "task" and not _turns_off(n, v)}
    if name == "masked_patches":
        clash = [n for n, v in (before | values).items() if n in OF_LABELS and v]
        if clash:
            raise ValueError(without_labels(TASKS[name](), clash))
    for one in values.keys() - known:
        if values[one]:
            raise ValueError(_of_other_task(one, values[one], name))
    kept = {n: v for n, v in (before | values).items() if n in known}
    return TASKS[name](**kept)


def _turns_off(name: str, value: Any) -> bool:
    return name in TASKS and value in (None, "none")


def _chosen(before: str, changes: Mapping[str, Any]) -> str:
    """Return the name of the task that changes choose."""
    if changes.get("task") is not None:
        if changes["task"] not in TASKS:
            raise ValueError(
                f"task must be one of {', '.join(TASKS)}. "
                f"Received: task={changes['task']!r}"
            )
        return changes["task"]
    of_words = [
        name
        for name in TASKS
        if name in changes and not _turns_off(name, changes[name])
    ]
    if before in TASKS and before in changes and _turns_off(before, changes[before]):
        before = "classification"
    if before != "classification" and before not in of_words:
        of_words.append(before)
    if len(of_words) > 1:
        raise ValueError(
            "A run has one task. Received: "
            f"{' and '.join(of_words)}. Set all but one to none"
        )
    return of_words[0] if of_words else "classification"


def _of_other_task(setting: str, value: Any, task: str) -> str:
    if setting == "teacher":
        return (
            "A teacher needs distillation=soft or hard, or pseudo_labels=soft or hard, "
            f"and each of those needs a teacher. Received: task={task}, a teacher"
        )
    tasks = " or ".join(TASKS_OF_SETTINGS[setting])
    return f"{setting} goes with {tasks}. Received: {setting}={value!r}, task={task}"


def without_labels(task: Settings, clash: list[str]) -> str:
    """Return what to say of settings of labels that a task without labels has."""
    words = ", ".join(f"{one.name}={getattr(task, one.name)}" for one in fields(task))
    name = name_of(task)  # type: ignore[arg-type]
    return (
        f"{name} does without labels, so without {', '.join(clash)}. Received: {words}"
    )
