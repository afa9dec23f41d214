"""What can go wrong, and how the state store contract says it.

The status code alone does not make an etag error: the runtime looks for a BadRequest with one
violation on the field `etag`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status


class EtagMismatch(Exception):
    """The stored value is not the one that the caller has seen."""


class InvalidRequest(Exception):
    """The request makes no sense to this store."""


class NotInitialised(Exception):
    """A call came before Init."""


def etag_status(message: str) -> grpc.Status:
    """An etag mismatch, as the contract has it."""
    violation = error_details_pb2.BadRequest.FieldViolation(field="etag", description=message)
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return rpc_status.to_status(
        status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message=message, details=[detail])
    )


@contextmanager
def answering(context: grpc.ServicerContext) -> Iterator[None]:
    """Turns the errors of its block into the call's status."""
    try:
        yield
    except EtagMismatch as error:
        context.abort_with_status(etag_status(str(error)))
    except InvalidRequest as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except NotInitialised as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except sqlite3.Error as error:
        context.abort(grpc.StatusCode.INTERNAL, f"SQLite: {error}")
