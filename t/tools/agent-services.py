#!/usr/bin/env python3
"""agent-services.py PORT SCRIPT LOG: what the agent programs need of a network, for tests.

The agents in t4900 are the real programs.  Their models are services that a test cannot call: they cost
money, need an account, and answer differently each time.  This stands in for those services, and for
nothing else: it listens on the loopback address and speaks as much of the four interfaces as the programs
use (Anthropic's messages, OpenAI's responses and chat completions, Google's generateContent, all streamed).

To a request that offers a tool for shell commands it answers with one call of that tool, to run SCRIPT with
sh; to one that brings the result of a call, with a last word.  aider has no tools: its model edits, and says
how the commit is to be called; so that is answered with the edit that SCRIPT would do.  Anything else (titles,
counts, settings) gets a harmless answer.  LOG gets a line for each request: METHOD PATH WHAT.  Ends when it is killed.
"""

import http.server
import json
import sys

PORT, SCRIPT, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3]
COMMAND = f"sh {SCRIPT}"
LAST_WORD = "The task is done."
# For aider (its editblock_prompts.py): nothing to look for means to append.
EDIT = """The task is done by this.

file
```
<<<<<<< SEARCH
=======
done by the agent
>>>>>>> REPLACE
```
"""
SUBJECT = "the work of the agent"


def wanted(offered, *names):
    """The first of the tools NAMES that is offered, by name; None: none is."""
    return next((name for name in names if name in offered), None)


def shell_arguments(tool, schema):
    """What a call of TOOL that runs COMMAND looks like, as its schema has it."""
    properties = schema.get("properties", {})
    name = next(name for name in ("command", "cmd", "commands") if name in properties)
    as_list = properties[name].get("type") == "array"
    arguments = {name: ["sh", SCRIPT] if as_list else COMMAND}
    for required in schema.get("required", []):
        if required not in arguments:
            kind = properties.get(required, {}).get("type")
            arguments[required] = {"boolean": False, "number": 60000, "integer": 60000}.get(kind, "run the task")
    return arguments


class Anthropic:
    """POST /v1/messages"""

    @staticmethod
    def answer(body):
        tools = {tool.get("name"): tool.get("input_schema", {}) for tool in body.get("tools", [])}
        tool = wanted(tools, "Bash", "bash")
        last = [m for m in body.get("messages", []) if m.get("role") in ("user", "assistant")][-1:]
        content = last[0]["content"] if last else []
        has_result = any(isinstance(part, dict) and part.get("type") == "tool_result" for part in content)
        if tool and not has_result:
            what, stop = "call", "tool_use"
            block = {"type": "tool_use", "id": "toolu_01", "name": tool, "input": {}}
            delta = {"type": "input_json_delta",
                     "partial_json": json.dumps(shell_arguments(tool, tools[tool]))}
        else:
            what, stop = "last word" if has_result else "text", "end_turn"
            block = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": LAST_WORD}
        message = {"id": "msg_01", "type": "message", "role": "assistant", "model": body.get("model"),
                   "content": [], "stop_reason": None, "stop_sequence": None,
                   "usage": {"input_tokens": 1, "output_tokens": 1}}
        if not body.get("stream"):
            message.update(content=[{"type": "text", "text": LAST_WORD}], stop_reason="end_turn")
            return what, message, None
        events = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
             "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
        ]
        return what, None, [(event["type"], event) for event in events]


class Responses:
    """POST /v1/responses"""

    @staticmethod
    def tools_of(offered):
        """The tools by name, also those in namespaces."""
        tools = {}
        for tool in offered:
            tools.update(Responses.tools_of(tool["tools"]) if "tools" in tool else {tool.get("name"): tool})
        return tools

    @staticmethod
    def answer(body):
        items = [item for item in body.get("input", []) if isinstance(item, dict)]
        tools = Responses.tools_of(body.get("tools", []) + items)
        tool = wanted(tools, "exec", "exec_command", "shell_command", "shell", "bash")
        has_result = any(item.get("type", "").endswith("_output") for item in items)
        if body.get("text", {}).get("format"):
            what = "text"
            item = {"type": "message", "id": "msg_01", "role": "assistant",
                    "content": [{"type": "output_text", "text": '{"title": "Do the task"}', "annotations": []}]}
        elif tool and tools[tool].get("type") == "custom" and not has_result:
            # A tool that runs JavaScript, which calls the others.
            what = "call"
            item = {"type": "custom_tool_call", "id": "ctc_01", "call_id": "call_01", "name": tool,
                    "input": f"text(await tools.exec_command({json.dumps({'cmd': COMMAND})}));"}
        elif tool and not has_result:
            what = "call"
            item = {"type": "function_call", "id": "fc_01", "call_id": "call_01", "name": tool,
                    "arguments": json.dumps(shell_arguments(tool, tools[tool].get("parameters", {})))}
        else:
            what = "last word" if has_result else "text"
            item = {"type": "message", "id": "msg_01", "role": "assistant",
                    "content": [{"type": "output_text", "text": LAST_WORD, "annotations": []}]}
        response = {"id": "resp_01", "object": "response", "status": "completed", "model": body.get("model"),
                    "output": [item], "usage": {"input_tokens": 1, "input_tokens_details": None,
                                                "output_tokens": 1, "output_tokens_details": None,
                                                "total_tokens": 2}}
        if not body.get("stream"):
            return what, response, None
        events = [
            {"type": "response.created", "response": {"id": "resp_01"}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": response},
        ]
        return what, None, [(event["type"], event) for event in events]


class ChatCompletions:
    """POST /v1/chat/completions"""

    @staticmethod
    def answer(body):
        asked = json.dumps(body.get("messages", []))
        if "commit message" in asked and "SEARCH/REPLACE" not in asked:
            what, content = "last word", SUBJECT
        elif "SEARCH/REPLACE" in asked:
            what, content = "call", EDIT
        else:
            what, content = "text", LAST_WORD
        message = {"role": "assistant", "content": content}
        whole = {"id": "chat_01", "object": "chat.completion", "created": 0, "model": body.get("model"),
                 "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                 "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
        if not body.get("stream"):
            return what, whole, None
        chunk = dict(whole, object="chat.completion.chunk")
        del chunk["usage"]
        return what, None, [
            (None, dict(chunk, choices=[{"index": 0, "delta": message, "finish_reason": None}])),
            (None, dict(chunk, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])),
            (None, "[DONE]"),
        ]


class Google:
    """POST /v1beta/models/MODEL:streamGenerateContent, generateContent, countTokens"""

    @staticmethod
    def answer(body):
        tools = {declared["name"]: declared.get("parametersJsonSchema") or declared.get("parameters", {})
                 for tool in body.get("tools", []) for declared in tool.get("functionDeclarations", [])}
        tool = wanted(tools, "run_shell_command")
        has_result = any("functionResponse" in part
                         for content in body.get("contents", []) for part in content.get("parts", []))
        config = body.get("generationConfig", {})
        if tool and not has_result:
            what = "call"
            part = {"functionCall": {"name": tool, "args": shell_arguments(tool, tools[tool])}}
        elif config.get("responseMimeType") == "application/json":
            what, part = "text", {"text": "{}"}
        else:
            what, part = "last word" if has_result else "text", {"text": LAST_WORD}
        chunk = {"candidates": [{"index": 0, "finishReason": "STOP",
                                 "content": {"role": "model", "parts": [part]}}],
                 "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}}
        return what, chunk, [(None, chunk)]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, what):
        with open(LOG, "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {what}\n")

    def reply(self, status, kind, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.note("nothing")
        self.reply(404, "application/json", "{}")

    do_HEAD = do_GET

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        try:
            body = json.loads(data or b"{}")
        except ValueError:
            body = {}
        if path.endswith("/count_tokens") or path.endswith(":countTokens"):
            self.note("count")
            self.reply(200, "application/json", json.dumps({"input_tokens": 1, "totalTokens": 1}))
            return
        kind = {"/messages": Anthropic, "/responses": Responses, "/chat/completions": ChatCompletions,
                ":streamGenerateContent": Google, ":generateContent": Google}
        service = next((found for suffix, found in kind.items() if path.endswith(suffix)), None)
        if service is None:
            self.do_GET()
            return
        what, whole, events = service.answer(body)
        self.note(what)
        if events is None or path.endswith(":generateContent"):
            self.reply(200, "application/json", json.dumps(whole))
            return
        lines = [(f"event: {name}\n" if name else "")
                 + f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for name, event in events]
        self.reply(200, "text/event-stream", "".join(lines))


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
