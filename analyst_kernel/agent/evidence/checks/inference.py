"""Checks words of significance against p-values, and finds causal words that rest on a correlation.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from analyst_kernel.agent.evidence.checks.mismatch import Mismatch
from analyst_kernel.agent.evidence.checks.prose import Clause, number_text
from analyst_kernel.agent.evidence.checks.shown import ShownCell, headed_values

_SIGNIFICANT = re.compile(
    r"\breject(?:s|ed|ing)? the null|\b(?P<non>non-?|in)?significan(?:t|tly|ce)\b(?!\s*(?:level"
    r"|digit|figure|threshold|test))",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:not|no|never|neither|nor|without|lacks?|lacking|fails?|failed|hardly|cannot|far from"
    r"|short of|isn|wasn|aren|weren|doesn|didn)\b|n['’]t\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:whether|if|would|could|might|may|should|marginal\w*|borderline|nearly|almost|barely"
    r"|close"
    r"|approach\w*|test(?:ed|ing)? (?:for|the)|expect\w*|practical\w*|clinical\w*|economic\w*"
    r"|substantive\w*|bonferroni|correct(?:ed|ion)|adjust\w*|one-sided|multiple)\b",
    re.IGNORECASE,
)
_P = re.compile(
    r"\bp\s*(?:-?\s?values?)?\s*(?:\([^()]{0,30}\)\s*)?(?:of\s+|is\s+|was\s+)?(?P<sign>[=<>≈≤≥:]"
    r"|&lt;|&gt;)?"
    r"\s*(?:about\s+)?(?P<value>(?:[0-9]*\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?"
    r"(?:\s*[×x*·]\s*10\^?\{?[-−⁻][0-9⁰¹²³⁴-⁹]+\}?)?)",
    re.IGNORECASE,
)
_LEVEL = re.compile(
    r"(?:\b(?:alpha|α)\s*(?:=|of)\s*(?P<alpha>0?\.[0-9]+)"
    r"|\b(?P<percent>[0-9]{1,2}(?:\.[0-9]+)?)\s?%"
    r"\s*(?:significance\s*)?level|\b(?P<level>0?\.[0-9]+)\s*(?:significance\s*)?level"
    r"|level (?:of )?(?P<of>0?\.[0-9]+))",
    re.IGNORECASE,
)
_SHOWN_P = re.compile(
    r"(?:\bp[ _-]?val(?:ue)?s?|\bpvalue|\bp|PR\(>F\)|P>\|t\||P>\|z\||\bp-unc"
    r"|\bp_value)['\"]?[ \t]*(?:[=:≈<]|[ \t])[ \t]*"
    r"(?:np\.float64\()?(?P<value>(?:[0-9]*\.[0-9]+|[01]"
    r"|[0-9](?=[eE]-))(?:[eE][+-]?[0-9]+)?)(?![\w.])",
    re.IGNORECASE,
)
_P_HEADER = re.compile(
    r"(?:adj(?:usted)?[ ._-]*)?p(?:[ ._-]?(?:val(?:ue)?s?|unc|corr|adj))?|PR\(>F\)|P>\|[tz]\|",
    re.IGNORECASE,
)
_TESTED = re.compile(
    r"\b(?:ttest\w*|pvalue\w*|p_value\w*|mannwhitneyu|kruskal|f_oneway|chi2\w*|chisquare"
    r"|fisher_exact"
    r"|wilcoxon|pearsonr|spearmanr|kendalltau|linregress|ols|logit|glm|anova\w*|shapiro|kstest"
    r"|ks_2samp"
    r"|ztest|proportions_ztest|permutation\w*|bootstrap\w*|tukey\w*|levene|bartlett|mcnemar"
    r"|conf_int)\b",
    re.IGNORECASE,
)
_ASSOCIATED = re.compile(
    r"\b(?:corr|corrcoef|corrwith|pearsonr|spearmanr|kendalltau|linregress|polyfit|OLS|ols"
    r"|LinearRegression|LogisticRegression|Logit|regr_slope|regr_r2|corr\w*|regplot|lmplot)\b"
)
_CAUSAL = re.compile(
    r"\b(?P<word>cause[sd]?|causing|leads? to|led to|leading to|drives?|drove|driven by|results? in"
    r"|resulted in|brings? about|brought about|is responsible for|are responsible for|due to"
    r"|because of|thanks to|makes? (?:them|it|people|customers)|(?:has|have|had) (?:an?|no"
    r"|a \w+) (?:effect"
    r"|impact|influence) on|(?:effect|impact) of [\w ]{1,40}? on|influences?|affects?"
    r"|determines?)\b",
    re.IGNORECASE,
)
_ABOUT_DATA = re.compile(
    r"\b(?:missing|rows?|records?|excluded?|dropped|nan|null|filter\w*|duplicat\w*|outliers?"
    r"|rounding"
    r"|data|values?|column|sample|parsing?|encod\w*|typo\w*)\b",
    re.IGNORECASE,
)
_NO_CAUSE = re.compile(
    r"\b(?:caus\w*|confound\w*|observational|associat\w*|correlat\w*\s+(?:only|is not|isn))\b",
    re.IGNORECASE,
)
_USUAL_LEVEL = 0.05


def misjudged_significance(
    found: Sequence[Clause], cells: Sequence[ShownCell]
) -> Iterator[Mismatch]:
    """Yield each clause whose words of significance contradict its p-values, or those shown."""
    shown = [(cell.iteration, value) for cell in cells for value in _shown_p_values(cell)]
    is_tested = bool(shown) or any(_TESTED.search(cell.code) for cell in cells)
    for clause in found:
        match = _SIGNIFICANT.search(clause.plain)
        if match is None or _HEDGE.search(clause.plain):
            continue
        denied = bool(match["non"]) or _DENIAL.search(clause.plain[: match.start()]) is not None
        level = _level(clause.sentence)
        own = list(_own_p_values(clause.text))
        if not own and len(_SIGNIFICANT.findall(clause.sentence)) == 1:
            own = list(_own_p_values(clause.sentence))
        if own:
            verdicts = [_is_small(sign, value, level) for sign, value, _ in own]
            if all(verdict is denied for verdict in verdicts):
                than = "below" if denied else "not below"
                words = ", ".join(text for _, _, text in own)
                yield Mismatch("significance", clause.text.strip(), f"{words} is {than} {level:g}")
            continue
        statistical = "statistic" in clause.plain.lower()
        fitting = [(cell, v) for cell, v in shown if not clause.cited or cell in clause.cited]
        if fitting and (statistical or is_tested):
            if all((value < level) is denied for _, value in fitting):
                cell, value = fitting[-1]
                than = "below" if denied else "not below"
                text = number_text(value) if value >= 0.001 else f"{value:.2g}"
                against = f"cell {cell} shows p = {text}, {than} {level:g}"
                yield Mismatch("significance", clause.text.strip(), against)
        elif statistical and not is_tested and not denied:
            yield Mismatch(
                "significance", clause.text.strip(), "no cell ran a test or shows a p-value"
            )


def causal_caveats(
    found: Sequence[Clause], cells: Sequence[ShownCell], said: str, question: str
) -> Iterator[str]:
    """Yield the caveat for causal words in an answer that rests on a correlation or regression.

    ``said`` are the answer's own caveats and assumptions: what they say is not said twice.
    """
    bases = [cell.iteration for cell in cells if _ASSOCIATED.search(cell.code)]
    if not bases or re.search(r"\b(?:randomi[sz]ed|experiment|a/b)\b", question, re.IGNORECASE):
        return
    for clause in found:
        match = _CAUSAL.search(clause.plain)
        if match is None or clause.denied(match.start()) or _ABOUT_DATA.search(clause.plain):
            continue
        without = clause.text[: match.start()] + clause.text[match.end() :]
        others = said.replace(clause.text, without)
        if _NO_CAUSE.search(others):
            continue
        yield (
            f"“{match['word']}” is more than cell {bases[-1]} shows: a correlation or regression "
            "over observed data shows that the two go together, not which causes which."
        )
        return


def _level(sentence: str) -> float:
    match = _LEVEL.search(sentence)
    if match is None:
        return _USUAL_LEVEL
    if match["percent"]:
        percent = float(match["percent"])
        return (100 - percent if percent > 50 else percent) / 100
    return float(match["alpha"] or match["level"] or match["of"])


def _own_p_values(text: str) -> Iterator[tuple[str, float, str]]:
    for match in _P.finditer(text):
        sign = match["sign"] or ""
        if not sign and "value" not in match[0].lower():
            continue
        value = _small_number(match["value"])
        if value is not None and 0 <= value <= 1:
            yield sign.replace("&lt;", "<").replace("&gt;", ">"), value, match[0].strip()


def _small_number(text: str) -> float | None:
    plain = text.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")).replace(" ", "")
    plain = re.sub(r"[×x*·]10\^?\{?(-[0-9]+)\}?", r"e\1", plain)
    try:
        return float(plain)
    except ValueError:
        return None


def _is_small(sign: str, value: float, level: float) -> bool | None:
    """Return whether a stated p-value is below the level; None if its sign leaves that open."""
    if sign in ("<", "≤"):
        return True if value <= level else None
    if sign in (">", "≥"):
        return False if value >= level else None
    return value < level


def _shown_p_values(cell: ShownCell) -> Iterator[float]:
    values = [float(match["value"]) for match in _SHOWN_P.finditer("\n".join(cell.texts))]
    values += headed_values(cell, _P_HEADER)
    yield from (value for value in dict.fromkeys(values) if 0 <= value <= 1)
