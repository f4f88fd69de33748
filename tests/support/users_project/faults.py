"""Mistakes that a type checker finds before anything runs: each in the line that is marked, and in no other."""

from preftemplates import BatchFormatter, Preference, RowModel, Style, Template, check, get_style, get_template
from preftemplates.data import Conversion
from preftemplates.errors import RowError

template = get_template("HH")
row = {"chosen": "yes", "rejected": "no"}


class Misspelt(Template):
    class Row(RowModel):
        q: str

    preference = Preference(prompt="{{ q }}", chosen="{{ q }}", rejected="x", chosenn="{{ q }}")  # error
    ties = "hlf"  # error


class Wrong(Style):
    stop = 3  # error
    chat_template = None  # error
    accepted_roles = "user"  # error


template.format(row, "preferense")  # error
template.render(row, "preference").choosen  # error
template.render(row, "preference").chosen.mask("contents")  # error
template.render(row, "supervised").chosen  # error
template.withstyle("x")  # error
template.with_ties("hlf")  # error
template.with_pairs("bestworst")  # error
template.with_style(3)  # error
get_style("x").rendr([])  # error
get_style("x").with_reasoning("kep")  # error
Style.from_chat_template("x", bos_token=3)  # error
Style.from_chat_template("x").renderr  # error
Conversion([row], template, "preference", on_error="skp")  # error
check([row], template, "preferense")  # error
check([row], template).shortcuts["longer wins"].acuracy  # error
BatchFormatter(template, "preferense")  # error
BatchFormatter(template, "preference").shema  # error
RowError("x").colum  # error
