"""`preftemplates schema`: the JSON Schema of templates in YAML."""

from preftemplates.cli.terminal import print_json
from preftemplates.templates.yaml_template import make_json_schema


def command() -> None:
    """Print the JSON Schema of YAML templates, by which editors complete and check their keys."""
    print_json(make_json_schema(), indent=1)
