"""The Model Context Protocol, as its official library speaks it. Imported with the first message of an assistant."""

import json
from functools import cache
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from chassis.telemetry import trace_id
from services.gateway.routes.bodies import MOST_BYTES
from services.gateway.routes.mcp.calls import CALL, Call
from services.gateway.routes.mcp.tools import INSTRUCTIONS, TOOLS
from services.gateway.routes.problems import refusal_of
from services.gateway.routes.visits import visit_of

type Context = ServerRequestContext[Any, Any]


async def answer(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Answer one message, whose caller stands in the scope; nothing of it is kept for the next."""
    manager = StreamableHTTPSessionManager(
        _server(), stateless=True, json_response=True, max_request_body_size=MOST_BYTES
    )
    async with manager.run():
        await manager.handle_request(scope, receive, send)


@cache
def _server() -> Server[Any]:
    return Server(
        "counterfoil",
        version="1",
        title="Counterfoil",
        instructions=INSTRUCTIONS,
        # Headers that repeat arguments are not asked for.
        get_tool_input_schema=lambda _: None,
        on_list_tools=_list,
        on_call_tool=_call,
    )


async def _list(context: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
    """Name the tools that the caller can have any use of."""
    visitor = _who(context).visitor
    return ListToolsResult(tools=[_described(name) for name, tool in TOOLS.items() if tool.is_for(visitor)])


@cache
def _described(name: str) -> Tool:
    tool = TOOLS[name]
    return Tool(
        name=name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes.model_json_schema(),
        output_schema=tool.answers.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads,
            destructive_hint=tool.destroys,
            # With its key it is done once, but none is asked for.
            idempotent_hint=tool.reads,
            open_world_hint=False,
        ),
    )


async def _call(context: Context, params: CallToolRequestParams) -> CallToolResult:
    """Use a tool; a refusal is an answer that the assistant can read."""
    tool = TOOLS.get(params.name)
    if tool is None:
        raise MCPError(INVALID_PARAMS, "There is no such tool.")
    try:
        found = await tool.call(_who(context), params.arguments or {})
    except Exception as error:  # noqa: BLE001 - a bug of ours is logged there, and told as one
        refusal = refusal_of(error)
        visit_of(_scope(context)).code = refusal.code
        told = {**refusal.to_wire(), "trace_id": trace_id()}
        return CallToolResult(content=[_text(told)], structured_content=told, is_error=True)
    said = found.model_dump(mode="json")
    return CallToolResult(content=[_text(said)], structured_content=said)


def _text(said: dict[str, Any]) -> TextContent:
    return TextContent(text=json.dumps(said, ensure_ascii=False, separators=(",", ":")))


def _who(context: Context) -> Call:
    call: Call = _scope(context)[CALL]
    return call


def _scope(context: Context) -> Any:  # noqa: ANN401 - ASGI
    request: Any = context.request
    return request.scope
