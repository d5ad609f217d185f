"""The story of one token as a page."""

from assay.answers.story import StoryAnswer
from assay.reason.execution import BATCH_MANY, BATCH_ONE
from assay.report.layout.check import TONES, cards_name
from assay.report.story import sentences
from assay.types.message import message
from assay.types.report import Figure, Notes, Report, Row, Table


def layout(answer: StoryAnswer) -> Report:
    """The page: the setting and the verdict, the story, then what one step reads and the speed that it bounds."""
    found, result = answer.found, answer.result
    head = message(
        "story.headline",
        model=found.model.name,
        runtime=found.runtime.name,
        version=found.runtime.version or "",
        gpu=cards_name(result.cards),
    )
    told = sentences(answer)
    cited = dict.fromkeys(source for one in told for source in one.sources)
    rows = (
        Row(message("story.read_at", batch=BATCH_ONE), (answer.one,)),
        Row(message("story.read_at", batch=BATCH_MANY), (answer.many,)),
        Row(message("row.decode"), (result.speed.decode_per_sequence,)),
    )
    blocks = (
        Notes(None, (message(f"story.verdict.{result.verdict}"),)),
        Notes(None, tuple(one.text for one in told)),
        Table(message("story.read"), ("",), rows),
        Notes(None, (*result.reasons, *found.messages)),
    )
    figures = (Figure(rows[0].label, answer.one), Figure(rows[1].label, answer.many))
    return Report((head,), TONES[result.verdict], blocks, figures, tuple(cited))
