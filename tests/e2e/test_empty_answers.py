"""A model may answer without a word: that is an answer."""

from uuid import uuid4

from tests.stack import Stack


def test_an_answer_without_text_is_asked_for_once(stack: Stack) -> None:
    text = f"[[silence]] {uuid4().hex}"
    status, answer = stack.request("POST", "/api/v1/chat/message", {"text": text})
    assert (status, answer["status"], answer["response"]) == (200, "completed", "")
    # The next message is answered after whatever the first run still did.
    stack.request("POST", "/api/v1/chat/message", {"text": "hello", "session_id": answer["session_id"]})
    asked = [request for request in stack.model_requests(text) if len(request["body"]["messages"]) == 2]
    calls = stack.sql("SELECT status FROM model_call WHERE run_id = %s", answer["run_id"])
    assert (len(asked), calls) == (1, [("succeeded",)])
