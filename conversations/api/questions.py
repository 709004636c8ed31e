"""Questions of the agent, and about calls whose worker was lost."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import answers, questions
from conversations.api.approval_shapes import (
    QUESTION_EXAMPLE,
    AnswerInput,
    QuestionListOutput,
    QuestionOutput,
)
from conversations.api.schema import errors, examples
from conversations.api.scopes import require
from conversations.questions import question_shape


class QuestionQuery(serializers.Serializer):
    session_id = serializers.CharField(required=False, max_length=128)


class QuestionList(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_questions",
        summary="Questions to oneself, open ones first",
        parameters=[QuestionQuery],
        responses={200: QuestionListOutput},
        examples=examples(response={"questions": [QUESTION_EXAMPLE]}),
    )
    def get(self, request: Request) -> Response:
        query = QuestionQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        found = questions.list_questions(owner_id=request.user.pk, **query.validated_data)
        return Response({"questions": [question_shape(question) for question in found]})


class QuestionAnswer(APIView):
    # Which scope it takes depends on the question.
    required_scopes = {"POST": None}

    @extend_schema(
        operation_id="answer_question",
        summary="Answer a question",
        description=(
            "Once: a second answer gets 409 with the first in `question`. What the agent asks takes free text and the "
            "scope `chat`. What became of a lost call is one of `choices` (`retry` runs it again), and takes the scope "
            "`approvals:decide`."
        ),
        request=AnswerInput,
        responses={200: QuestionOutput, **errors(404, 409, 410)},
        examples=examples(request={"answer": "postgres"}, response=QUESTION_EXAMPLE),
    )
    def post(self, request: Request, question_id: UUID) -> Response:
        question = questions.find_question(question_id, owner_id=request.user.pk)
        require(request.auth, answers.scope_of(question))
        fields = AnswerInput(data=request.data)
        fields.is_valid(raise_exception=True)
        answered = answers.answer_question(
            question,
            fields.validated_data["answer"],
            user=request.user,
            now=timezone.now(),
            request=request,
        )
        return Response(question_shape(answered))
