"""Searches JSON values: EQ, NEQ, IN, AND, OR, sorted and in pages.

It looks at every entry, which is fair for some thousands. A store that is searched a lot would
turn the filter into SQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errors import InvalidRequest
from sqlite_store import Entry

# Stands for a path that leads nowhere: unlike null, it equals nothing.
MISSING = object()


@dataclass(frozen=True)
class SortKey:
    """A path to sort by."""

    path: str
    descending: bool


def search(
    entries: Iterable[Entry],
    conditions: Mapping[str, Any],
    sort: Sequence[SortKey],
    limit: int,
    token: str,
) -> tuple[list[Entry], str]:
    """The entries that meet the conditions, and the token of the next page; empty: that was all.

    No condition: all entries. A limit of 0: no limit. Values that are not JSON are never found.
    """
    found = []
    for entry in entries:
        try:
            document = json.loads(entry.value)
        except ValueError:
            continue
        if all(_holds(operator, operand, document) for operator, operand in conditions.items()):
            found.append((entry, document))

    # Sorting is stable, so the least important key goes first.
    for key in reversed(sort):
        found.sort(key=lambda item: _rank(_at(item[1], key.path)), reverse=key.descending)

    start = _offset(token)
    end = start + limit if limit > 0 else len(found)
    next_token = str(end) if end < len(found) else ""
    return [entry for entry, _ in found[start:end]], next_token


def _holds(operator: str, operand: Any, document: Any) -> bool:
    match operator:
        case "AND":
            return all(_one_holds(condition, document) for condition in _a_list(operator, operand))
        case "OR":
            return any(_one_holds(condition, document) for condition in _a_list(operator, operand))
        case "EQ":
            path, wanted = _only_pair(operator, operand)
            return _same(_at(document, path), wanted)
        case "NEQ":
            path, unwanted = _only_pair(operator, operand)
            return not _same(_at(document, path), unwanted)
        case "IN":
            path, choices = _only_pair(operator, operand)
            value = _at(document, path)
            return any(_same(value, choice) for choice in _a_list(operator, choices))
        case _:
            raise InvalidRequest(f"operator {operator} is not one of EQ, NEQ, IN, AND, OR")


def _one_holds(condition: Any, document: Any) -> bool:
    operator, operand = _only_pair("a condition", condition)
    return _holds(operator, operand, document)


def _a_list(operator: str, operand: Any) -> list[Any]:
    if not isinstance(operand, list):
        raise InvalidRequest(f"{operator} takes a list")
    return operand


def _only_pair(operator: str, operand: Any) -> tuple[str, Any]:
    if not isinstance(operand, dict) or len(operand) != 1:
        raise InvalidRequest(f"{operator} takes an object of one key")
    return next(iter(operand.items()))


def _at(document: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(document, dict) or part not in document:
            return MISSING
        document = document[part]
    return document


def _same(value: Any, wanted: Any) -> bool:
    # Python counts True as 1; JSON does not.
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted


def _rank(value: Any) -> tuple[int, Any]:
    """Values of different kinds in one order: missing, null, booleans, numbers, texts, the rest."""
    if value is MISSING:
        return (0, 0)
    if value is None:
        return (1, 0)
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, (int, float)):
        return (3, value)
    if isinstance(value, str):
        return (4, value)
    return (5, json.dumps(value, sort_keys=True))


def _offset(token: str) -> int:
    if not token:
        return 0
    if not token.isdecimal():
        raise InvalidRequest(f"`{token}` is no page token of this store")
    return int(token)
