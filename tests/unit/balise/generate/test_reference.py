"""The API's reference page says all that the schema says, once, in a form that a Markdown reader keeps whole."""

from typing import Any

import pytest

from balise.generate.reference import api_reference


def crd(schema: dict[str, Any], served: bool = True) -> dict[str, Any]:
    return {
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"kind": "Lamp", "plural": "lamps", "shortNames": ["lp"]},
            "versions": [{"name": "v1", "served": served, "schema": {"openAPIV3Schema": schema}}],
        }
    }


def page(field: dict[str, Any], **spec: Any) -> str:
    return api_reference([crd({"properties": {"spec": {"properties": {"bulb": field}, **spec}}})])


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "| `bulb` | integer | Allowed: 1 to 9. |"),
        ({"type": "integer", "minimum": 0}, "| `bulb` | integer | Allowed: at least 0. |"),
        ({"type": "string", "maxLength": 5}, "| `bulb` | string | Allowed: at most 5 characters. |"),
        ({"type": "string", "enum": ["a", "b"], "default": "a"}, '| string | Default: `"a"`. Allowed: `a`, `b`. |'),
        ({"type": "string", "pattern": "^(a|b)$"}, "matches `^(a\\|b)$`"),
        ({"type": "string", "description": "One |\n  two."}, "| One \\| two. |"),
        ({"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}},
         "list of map of string"),
        ({"x-kubernetes-int-or-string": True}, "integer or string"),
        ({"type": "string", "x-kubernetes-validations": [{"rule": "1", "message": "no"}] * 2}, "string | Rule: no. |"),
        ({"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x'"}]}, "Rule: self != 'x'."),
    ],
)  # fmt: skip
def test_a_field_is_told_with_its_bounds_and_rules(field: dict[str, Any], cell: str) -> None:
    assert cell in page(field)


def test_a_required_field_says_so() -> None:
    assert "| **Required.** |" in page({"type": "string"}, required=["bulb"])


def test_an_object_gets_a_section_that_states_its_rules_once() -> None:
    text = page(
        {
            "type": "object",
            "properties": {"watts": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.watts < 99", "message": "not too hot"}],
        }
    )
    assert "### spec.bulb\n" in text
    assert text.count("not too hot") == 1


def test_sections_name_lists_and_maps() -> None:
    text = page({"type": "array", "items": {"type": "object", "properties": {"watts": {"type": "integer"}}}})
    assert "### spec.bulb[]\n" in text


def test_a_version_that_is_not_served_is_left_out() -> None:
    assert "Lamp" not in api_reference([crd({}, served=False)])
