"""align-anything: questions about an image, audio, a video or text, with two answers and the number of the better one.

Sources: PKU-Alignment/align-anything and PKU-Alignment/BeaverTails-V (licences unknown), as align-anything reads them.
All labels count from 1. Any other number means that the row has no preference, and the row is rejected. Images, audio
and videos stay as they are in the row, in a typed part before the question. Styles that write only text reject such
parts, so these templates need a dialect for messages.
"""

from typing import Any

from preftemplates import Index12, Preference, RowModel, Template, register_template

CHOSEN = "{{ [response_1, response_2][overall_response - 1] }}"
REJECTED = "{{ [response_1, response_2][2 - overall_response] }}"


class Pair(RowModel):
    response_1: str
    response_2: str
    overall_response: Index12


@register_template("AA-TI2T", style="chatml", dialect="trl")
class AATI2T(Template):
    """align-anything, text and image to text: a question about an image, two answers, the number of the better one."""

    class Row(Pair):
        question: str
        image: Any

    preference = Preference(
        prompt={"role": "user", "content": "{{ question | after_media('image', image) }}"},
        chosen=CHOSEN,
        rejected=REJECTED,
    )
    dataset = "PKU-Alignment/align-anything"
    licence = "unknown"
    example = {
        "question": "Which herb is in the pot?",
        "image": "pot.png",
        "response_1": "A herb.",
        "response_2": "Basil, by its broad and glossy leaves.",
        "overall_response": 2,
    }


@register_template("AA-TA2T", style="chatml", dialect="align-anything-messages")
class AATA2T(Template):
    """align-anything, text and audio to text: a question about audio, two answers, the number of the better one.

    `audio_path` is a path, or decoded audio. align-anything puts a system text before each of these rows; it is not
    part of the rows, and is not written.
    """

    class Row(Pair):
        prompt: str
        audio_path: Any

    preference = Preference(
        prompt={"role": "user", "content": "{{ prompt | after_media('audio', audio_path) }}"},
        chosen=CHOSEN,
        rejected=REJECTED,
    )
    dataset = "PKU-Alignment/align-anything"
    licence = "unknown"
    example = {
        "prompt": "Which bird sings here?",
        "audio_path": "garden.wav",
        "response_1": "A blackbird: it flutes, pauses and flutes anew.",
        "response_2": "A bird.",
        "overall_response": 1,
    }


@register_template("AA-TV2T", style="chatml", dialect="align-anything-messages")
class AATV2T(Template):
    """align-anything, text and video to text: a question about a video, two answers, the number of the better one.

    A mark <video> in the question says where the video belongs. It is removed, since the video is a separate part.
    """

    class Row(Pair):
        prompt: str
        video_path: Any

    preference = Preference(
        prompt={
            "role": "user",
            "content": "{{ prompt | without_mark('<video>') | after_media('video', video_path) }}",
        },
        chosen=CHOSEN,
        rejected=REJECTED,
    )
    dataset = "PKU-Alignment/align-anything"
    licence = "unknown"
    example = {
        "prompt": "<video>\nWhat does the cook do first?",
        "video_path": "./kitchen.mp4",
        "response_1": "Nothing.",
        "response_2": "She warms the bowl with hot water.",
        "overall_response": 2,
    }


@register_template("AA-T2T", style="chatml", dialect="trl")
class AAT2T(Template):
    """align-anything, text to text: a question, two answers, and the number of the better one.

    The column names of this part (question, response_1, response_2, overall_response) are not confirmed by a source.
    """

    class Row(Pair):
        question: str

    preference = Preference(prompt="{{ question }}", chosen=CHOSEN, rejected=REJECTED)
    dataset = "PKU-Alignment/align-anything"
    licence = "unknown"
    example = {
        "question": "How long do I boil an egg?",
        "response_1": "Six minutes for a soft one, ten for a hard one.",
        "response_2": "Until noon.",
        "overall_response": 1,
    }


@register_template("SafeRLHF-V", style="chatml", dialect="trl")
class SafeRLHFV(Template):
    """SafeRLHF-V: a question about an image, two answers, and the number of the more helpful one.

    Its pairs are published as BeaverTails-V.
    """

    class Row(RowModel):
        question: str
        image: Any
        response_1: str
        response_2: str
        more_helpful_response_id: Index12

    preference = Preference(
        prompt={"role": "user", "content": "{{ question | after_media('image', image) }}"},
        chosen="{{ [response_1, response_2][more_helpful_response_id - 1] }}",
        rejected="{{ [response_1, response_2][2 - more_helpful_response_id] }}",
    )
    dataset = "PKU-Alignment/BeaverTails-V"
    licence = "unknown"
    example = {
        "question": "Is this ladder safe to climb?",
        "image": "ladder.png",
        "response_1": "No: its feet stand on gravel. Move it to the slabs first.",
        "response_2": "Climb slowly.",
        "more_helpful_response_id": 1,
    }
