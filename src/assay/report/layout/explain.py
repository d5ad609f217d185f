"""An explanation as a page of prose."""

from assay.answers.explain import ExplainAnswer
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.report.explained import names, paragraphs
from assay.types.message import Message, message
from assay.types.report import Notes, Report


def _headline(answer: ExplainAnswer) -> Message:
    cards = ", ".join(subject.name for subject in answer.subjects)
    if sum(len(subject.gpus) for subject in answer.subjects) == 1:
        return message("explain.headline.one", gpu=cards)
    if not answer.differences:
        return message("explain.headline.alike", gpus=cards)
    found = {name for one in answer.differences for name in one.formats}
    differing = [one.id for one in number_formats() if one.id in found]
    return message("explain.headline.differ", formats=names(differing))


def layout(answer: ExplainAnswer) -> Report:
    """The page: what differs first, then the reasons."""
    told = paragraphs(answer)
    cited = dict.fromkeys(source for one in told for source in one.sources)
    lines = (*(one.text for one in told), *answer.messages)
    return Report((_headline(answer),), "plain", (Notes(None, lines),), (), tuple(cited))
