"""CEL rules as OLM's constraints use them: parsing, types, errors that are absorbed, errors that are not."""

from __future__ import annotations

from typing import Any

import pytest

from balise.planner.cel import InvalidRuleError, compile_rule

PROPERTIES: list[dict[str, Any]] = [
    {"type": "olm.package", "value": {"packageName": "b", "version": "1.2.0"}},
    {"type": "certified", "value": "yes"},
    {"type": "count", "value": 3.0},
]


@pytest.mark.parametrize(
    "rule",
    [
        "properties.exists(p, p.type == 'certified' && p.value == 'yes')",
        "properties.exists(p, p.type == 'olm.package' && semver_compare(p.value.version, '1.2') == 0)",
        "properties.exists(p, p.type == 'olm.package' && semver_compare(p.value['version'], 'v1.1.9') > 0)",
        "properties.all(p, has(p.value))",
        "properties.exists_one(p, p.type == 'count')",
        "properties.exists(p, p.type == 'count' && p.value > 2)",
        "properties.exists(p, p.type == 'count' && p.value == 3)",
        "properties.filter(p, p.type in ['count', 'certified']).size() == 2",
        "properties.map(p, p.type).exists(t, t.startsWith('olm.'))",
        "properties.map(p, p.type == 'certified', p.value)[0] == 'yes'",
        "size(properties) == 3 ? true : false",
        "properties[0].type.matches('^olm') && properties[0].type.contains('.pack') && 'package'.endsWith('age')",
        "{'a': 1, 'b': [1, 2]}['b'][1] == 2",
        "'a' in {'a': 1} && !('b' in {'a': 1})",
        "1 + 2 * 3 == 7 && -7 % 3 == -1 && 7 / -2 == -3 && 1.5 + 1.5 == 3.0 && 2u * 3u == 6u",
        "'\\u0041\\x42' + \"c\" == 'ABc' && r'\\n' != '\\n' && 'x' < 'y'",
        "int('4') == 4 && string(5) == '5' && double(2) == 2.0 && bool('true')",
        "properties.exists(p, properties.filter(p, p.type == 'count').size() == 1 && p.type == 'certified')",
        "// a comment\ntrue",
        "true || properties[9].type == 'x'",
        "properties[9].type == 'x' || true",
        "!(false && properties[9].type == 'x')",
        "properties.exists(p, p.value.packageName == 'b')",
    ],
)
def test_rules_that_hold(rule: str) -> None:
    assert compile_rule(rule).matches(PROPERTIES)


@pytest.mark.parametrize(
    "rule",
    [
        "properties.exists(p, p.type == 'certified' && p.value == 'no')",
        "properties.exists(p, p.value == null)",
        "false",
        # What cannot be evaluated does not match.
        "properties[9].type == 'x'",
        "properties.all(p, p.value.packageName == 'b')",
        "properties.exists_one(p, p.value.packageName == 'b')",
        "properties.exists(p, semver_compare(p.value, '1.0.0') == 0)",
        "1 / 0 == 1",
        "9223372036854775807 + 1 > 0",
        "int('x') == 1",
    ],
)
def test_rules_that_do_not_hold(rule: str) -> None:
    assert not compile_rule(rule).matches(PROPERTIES)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("", "the end of the rule does not belong here"),
        ("1 +", "column 4: the end of the rule"),
        ("properties.exists(p, p.type == 'a'", "expected ','"),
        ("'open", "cannot be read"),
        ("1 + 1", "must yield a bool, but yields int"),
        ("properties[0].value", "but yields any type"),
        ("1 == 'a'", "int is never string"),
        ("'a' < 1", "cannot be applied to string and int"),
        ("1 && true", "cannot be applied to int and bool"),
        ("nothing == 1", "'nothing' is not known"),
        ("properties.frob(1)", "there is no function 'frob'"),
        ("timestamp('2020-01-01T00:00:00Z') == 1", "there is no function 'timestamp'"),
        ("properties.exists(1, true)", "takes a name and an expression"),
        ("properties.exists(p, 1)", "yields a bool"),
        ("has(properties)", "has takes one selection"),
        ("properties.type == 'a'", "list(map(string, any type)) has no field 'type'"),
        ("semver_compare('1.0.0') == 0", "'semver_compare' cannot be applied to string"),
        ("true ? 1 : 'a'", "'?:' needs a bool and two values of one type"),
        ("99999999999999999999 > 1", "out of range"),
        ("return == 1", "'return' does not belong here"),
        ("'\\q' == 'q'", "is no escape sequence"),
        ("(" * 5000 + "true" + ")" * 5000, "nested too deeply"),
    ],
)
def test_rules_that_do_not_compile(rule: str, reason: str) -> None:
    with pytest.raises(InvalidRuleError) as raised:
        compile_rule(rule)
    assert reason in str(raised.value)
