from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile

import pandas as pd
import pytest

from analyst_kernel.protocol.errors import DataError


def lines(*rows: str, end: str = "\n") -> str:
    return end.join(rows) + end


async def test_latin1_with_semicolons_and_decimal_commas(load, tmp_path):
    path = tmp_path / "umsätze 2024.csv"
    rows = [f"Köln;{n},5;{n % 7};{n:02d}.{n % 12 + 1:02d}.2024" for n in range(1, 29)]
    path.write_bytes(lines("Ort;Betrag €;Menge;Tag", *rows).encode("cp1252"))
    got = await load(path)
    assert got.profile.dataset.name == "umsatze_2024"
    assert got.profile.dataset.options["encoding"] == "cp1252"
    assert got.frame["Betrag €"].iloc[0] == 1.5
    assert got.column("Betrag €").mean == pytest.approx(15.0)
    assert got.column("Tag").kind == "date"
    assert {"decimal-comma", "encoding-guessed"} <= got.codes
    assert 'sep=";"' in got.code
    assert 'decimal=","' in got.code
    assert 'encoding="cp1252"' in got.code


async def test_decimal_comma_with_grouped_thousands(load, tmp_path):
    path = tmp_path / "g.csv"
    path.write_text(lines("a;b", "1.234,50;x", "12,25;y", "1.234.567,00;z", "3;w"))
    got = await load(path)
    assert got.frame["a"].tolist() == [1234.5, 12.25, 1234567.0, 3.0]
    assert "thousands-separators" in got.codes


async def test_grouped_thousands_in_quotes(load, tmp_path):
    path = tmp_path / "g.csv"
    path.write_text(lines("name,pop,tags", 'a,"1,234","1,2"', 'b,"12,345,678","3,4"', 'c,99,"5"'))
    got = await load(path)
    assert got.frame["pop"].tolist() == [1234, 12345678, 99]
    assert got.column("tags").kind == "text", "a list of digits is not a grouped number"


async def test_bom_is_not_part_of_the_first_name(load, tmp_path):
    path = tmp_path / "bom.csv"
    path.write_bytes("id,näme\n1,é\n2,ü\n".encode("utf-8-sig"))
    got = await load(path)
    assert got.profile.dataset.columns == ("id", "näme")
    assert "bom" in got.codes


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
async def test_utf16(load, tmp_path, encoding):
    path = tmp_path / "u.csv"
    path.write_bytes(lines("id\tnäme", "1\té", "2\tü").encode(encoding))
    got = await load(path)
    assert got.frame["näme"].tolist() == ["é", "ü"]


async def test_a_wrong_byte_far_into_the_file_changes_the_encoding(load, tmp_path):
    path = tmp_path / "late.csv"
    rows = [f"{n},plain" for n in range(60_000)]
    path.write_bytes(lines("id,text", *rows, "60000,caf\xe9").encode("latin-1"))
    got = await load(path)
    assert got.frame["text"].iloc[-1] == "café"
    assert got.profile.dataset.options["encoding"] == "cp1252"


async def test_tsv_psv_and_blank_separated(load, tmp_path):
    (tmp_path / "t.tsv").write_text(lines("a\tb, c", "1\tx,y", "2\tz"))
    (tmp_path / "p.psv").write_text(lines("a|b", "1|x", "2|y"))
    (tmp_path / "s.dat").write_text(lines("x   y", "1   2.5", "30  4", " 5  6.25"))
    got = await load(tmp_path / "t.tsv")
    assert got.profile.dataset.columns == ("a", "b, c")
    got = await load(tmp_path / "p.psv")
    assert got.frame["b"].tolist() == ["x", "y"]
    got = await load(tmp_path / "s.dat")
    assert got.frame["y"].tolist() == [2.5, 4.0, 6.25]


async def test_two_hundred_columns(load, tmp_path):
    path = tmp_path / "wide.csv"
    header = ",".join(f"metric_{n}" for n in range(199)) + ",Net Revenue"
    path.write_text(lines(header, *(",".join(str(r * n) for n in range(200)) for r in range(150))))
    got = await load(path)
    assert len(got.profile.columns) == 200
    text = got.catalog.describe(got.profile, question="How did revenues develop?", budget=2000)
    assert len(text) <= 8000
    (line,) = [line for line in text.splitlines() if line.startswith("- 'Net Revenue'")]
    assert "median=" in line
    assert "metric_198" in text


async def test_header_only_is_granted_with_a_warning(load, tmp_path):
    path = tmp_path / "h.csv"
    path.write_text("id,name,amount\n")
    got = await load(path)
    assert got.profile.dataset.rows == 0
    assert "no-rows" in got.codes


async def test_no_header(load, tmp_path):
    path = tmp_path / "n.csv"
    path.write_text(lines("1,2.5,2024-01-01", "2,3.5,2024-01-02", "3,4.5,2024-01-03"))
    got = await load(path)
    assert got.profile.dataset.rows == 3
    assert got.profile.dataset.columns == ("column_1", "column_2", "column_3")
    assert got.column("column_3").kind == "date"


async def test_year_headers_are_a_header(load, tmp_path):
    path = tmp_path / "y.csv"
    path.write_text(lines("country,2019,2020,2021", "A,1,2,3", "B,4,5,6"))
    got = await load(path)
    assert got.profile.dataset.columns == ("country", "2019", "2020", "2021")


async def test_lines_before_the_header(load, tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        lines("Report of sales", "Made on 2024-01-01", "", "id,city,amount", "1,Rome,2", "2,Oslo,3")
    )
    got = await load(path)
    assert got.profile.dataset.columns == ("id", "city", "amount")
    assert got.profile.dataset.options["skip_rows"] == 3
    assert "preamble" in got.codes
    path.write_text(lines("Report,,", ",,", "id,city,amount", "1,Rome,2", "2,Oslo,3"))
    got = await load(path)
    assert got.frame["amount"].sum() == 5
    path.write_text(lines("# made by a tool", "# unit: kg", "id,amount", "1,2", "2,3"))
    got = await load(path)
    assert got.frame["amount"].sum() == 5


async def test_a_totals_row_is_set_apart(load, tmp_path):
    path = tmp_path / "t.csv"
    cities = [f"City {n},{n}" for n in range(20)]
    path.write_text(lines("city,amount", *cities, "Grand Total,190"))
    got = await load(path)
    (warning,) = [one for one in got.profile.warnings if one.code == "totals-set-apart"]
    assert "Grand Total" in warning.message
    assert got.frame["amount"].sum() == 190
    assert any("sum of others" in one for one in got.profile.dataset.options["assumptions"])
    assert "# - 1 row that is a sum of others is left out." in got.code


async def test_a_row_that_only_says_total_stays_and_is_named(load, tmp_path):
    path = tmp_path / "t.csv"
    cities = [f"City {n},{n}" for n in range(20)]
    path.write_text(lines("city,amount", *cities, "Grand Total,77"))
    got = await load(path)
    (warning,) = [one for one in got.profile.warnings if one.code == "total-rows"]
    assert warning.column == "city"
    assert "Grand Total" in warning.message


async def test_duplicate_unnamed_and_blank_padded_names(load, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(lines("a,a, b ,,a.1,A", "1,1,3,4,5,6", "7,7,9,10,11,12"))
    got = await load(path)
    oracle = pd.read_csv(path)
    assert list(got.frame.columns) == list(oracle.columns)
    codes = {"duplicate-column-names", "unnamed-columns", "blanks-in-names", "same-column"}
    assert codes <= got.codes


async def test_short_and_long_rows(load, tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(lines("a,b,c", "1,2,3", "4,5", "6,7,8,9", "10,11,12"))
    got = await load(path)
    assert got.frame["a"].tolist() == [1, 4, 6, 10]
    assert got.frame["column_4"].tolist()[2] == 9
    assert {"short-rows", "extra-fields"} <= got.codes


async def test_a_row_that_a_comma_in_a_text_breaks_is_left_out_and_named(load, tmp_path):
    path = tmp_path / "r.csv"
    rows = [f"{n},name {n},{n * 2},{n * 3}" for n in range(12)]
    path.write_text(lines("id,name,a,b", *rows[:5], "77,Smith, John,1,2", *rows[5:]))
    got = await load(path)
    assert got.frame["a"].sum() == 132
    (warning,) = [one for one in got.profile.warnings if one.code == "surplus-rows"]
    assert "Smith" in warning.message


async def test_a_delimiter_at_the_end_of_each_row(load, tmp_path):
    path = tmp_path / "e.csv"
    path.write_text(lines("a,b", "1,2,", "3,4,"))
    got = await load(path)
    assert got.frame["b"].tolist() == [2, 4]


async def test_row_names_without_a_header(load, tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(lines('"x","y"', '"r1",1,2', '"r2",3,4'))
    got = await load(path)
    assert got.profile.dataset.columns == ("Unnamed: 0", "x", "y")


async def test_codes_with_leading_zeros_stay_text(load, tmp_path):
    path = tmp_path / "z.csv"
    path.write_text(
        lines("zip,long,n", "01234,12345678901234567890,1", "99999,22345678901234567890,2")
    )
    got = await load(path)
    assert got.frame["zip"].tolist() == ["01234", "99999"]
    assert got.frame["long"].tolist() == ["12345678901234567890", "22345678901234567890"]
    assert {"leading-zeros", "digits-as-text"} <= got.codes


async def test_missing_value_texts(load, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(lines("n,t,d", "1,a,2024-01-01", "-,b,N/A", "3,-,2024-02-01", "n/a,,-"))
    got = await load(path)
    assert got.frame["n"].tolist()[::2] == [1, 3]
    assert got.column("n").nulls == 2
    assert got.column("t").nulls == 1, "a dash in a text column is a text"
    assert got.column("d").kind == "date"
    assert "missing-as-text" in got.codes


async def test_sentinels_currency_and_mixed_types(load, tmp_path):
    path = tmp_path / "s.csv"
    rows = [f"{n},${n}.50,{n if n % 9 else 'see note'}" for n in range(1, 60)]
    path.write_text(lines("age,price,mixed", *rows, "-999,$3.00,5", "9999,$1.00,4"))
    got = await load(path)
    found = {(one.code, one.column) for one in got.profile.warnings}
    assert ("sentinel", "age") in found
    assert ("numbers-as-text", "price") in found
    assert ("mixed-types", "mixed") in found


async def test_a_sentinel_beside_negative_values_is_found(load, tmp_path):
    path = tmp_path / "t.csv"
    degrees = [f"{n % 30 - 8}.5,{-99 if n % 2 else n % 90 - 45}" for n in range(60)]
    path.write_text(lines("warmth,latitude", *degrees, "-999,-44"))
    got = await load(path)
    found = {one.column: one.message for one in got.profile.warnings if one.code == "sentinel"}
    assert set(found) == {"warmth"}
    assert "-999 occurs 1 time, far from all other values" in found["warmth"]


@pytest.mark.parametrize(
    ("values", "far"),
    [
        pytest.param([*(n % 23 for n in range(400)), 1048.36], ["1048.36"], id="one, far above"),
        pytest.param([*(n % 23 for n in range(400)), -780.5], ["-780.5"], id="one, far below"),
        pytest.param([*range(60, 90), 6400], ["6400"], id="a unit mistaken"),
        pytest.param(
            [*(n % 23 for n in range(4000)), 5000, 5000, 5100], ["5100", "5000"], id="a few"
        ),
        pytest.param([1.6**n for n in range(60)], [], id="skewed, without a gap"),
        pytest.param([*(n % 23 for n in range(400)), 90, 200], [], id="a long tail"),
        pytest.param([*(n % 23 for n in range(100)), *[5000] * 20], [], id="a group of its own"),
        pytest.param([0] * 300 + [7, 90], [], id="nearly constant"),
        pytest.param([1, 2, 3, 4000], [], id="too few rows to tell"),
    ],
)
async def test_values_that_a_gap_parts_from_all_others_are_named(load, tmp_path, values, far):
    path = tmp_path / "f.csv"
    path.write_text(lines("reading,station", *(f"{value},S{n}" for n, value in enumerate(values))))
    got = await load(path)
    found = [one for one in got.profile.warnings if one.code == "far-value"]
    assert [value for one in found for value in one.values] == far  # noqa: PD011 - no frame
    assert all(one.column == "reading" for one in found)


async def test_one_total_is_warned_of_in_the_singular(load, tmp_path):
    path = tmp_path / "one.csv"
    path.write_text(lines("team,points", *(f"T{n},{n}" for n in range(20)), "Total,191"))
    got = await load(path)
    (total,) = [one.message for one in got.profile.warnings if one.code == "total-rows"]
    assert total == "1 row looks like a total ('Total'); leave it out before summing."


async def test_dates_with_failures_and_ambiguous_dates(load, tmp_path):
    path = tmp_path / "d.csv"
    rows = [f"{n:02d}/{n:02d}/2024,2024-01-{n:02d},{n + 12}/{n:02d}/2024" for n in range(1, 13)]
    path.write_text(lines("both,some,sure", *rows, "03/04/2024,soon,25/04/2024"))
    got = await load(path)
    found = {one.column: one for one in got.profile.warnings if "date" in one.code}
    assert found["both"].code == "date-order", "the other dates of the file have the day first"
    assert got.frame["both"].dt.day.tolist()[-1] == 3
    assert found["some"].code == "dates-as-text"
    assert "1 values do not" in found["some"].message
    assert "'soon'" in found["some"].message
    assert got.column("some").date_format == "%Y-%m-%d"
    assert got.column("sure").kind == "date"


async def test_dates_that_nothing_settles_stay_text(load, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(lines("when,n", *(f"{n:02d}/{n + 1:02d}/2024,{n}" for n in range(1, 11))))
    got = await load(path)
    assert "ambiguous-dates" in got.codes
    assert got.column("when").kind == "text"


async def test_one_bad_row_after_the_sample_makes_text_and_rounds_nothing(load, tmp_path):
    path = tmp_path / "big.csv"
    rows = [
        f"{n},{n % 100},{n % 10},2024-01-{n % 28 + 1:02d},some filler text" for n in range(150_000)
    ]
    rows += ["150000,7.6,oops,not a date,x"]
    path.write_text(lines("id,whole,code,day,filler", *rows))
    assert path.stat().st_size > 5_000_000
    got = await load(path)
    assert got.column("whole").maximum == 99.0
    assert got.frame["whole"].iloc[-1] == 7.6
    assert got.column("code").kind == "text"
    assert got.column("day").kind == "text"
    assert {"mixed-types", "dates-as-text"} <= got.codes


async def test_quotes_newlines_and_blank_lines(load, tmp_path):
    path = tmp_path / "q.csv"
    path.write_text('a,b\n1,"x\ny, ""z"""\n\n2,w\n')
    got = await load(path)
    assert got.frame["b"].tolist() == ['x\ny, "z"', "w"]
    path.write_text(lines("a, b, c", '1, "x, y", 2', '3, "z", 4'))
    got = await load(path)
    assert got.profile.dataset.columns == ("a", "b", "c")
    assert got.frame["b"].tolist() == ["x, y", "z"]


async def test_one_column(load, tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("value\n1\n\n3\nNA\n")
    got = await load(path)
    assert got.profile.dataset.rows == 3
    assert got.column("value").nulls == 1


async def test_windows_old_mac_and_mixed_line_ends(load, tmp_path):
    for name, text in (
        ("w", lines("a,b", "1,2", "3,4", end="\r\n")),
        ("m", "a,b\r\n1,2\n3,4\r\n"),
    ):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(text.encode())
        got = await load(path)
        assert got.frame["b"].tolist() == [2, 4]


async def test_packed_files(load, tmp_path):
    body = lines("a;b", "1;2,5", "3;4,5").encode()
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(body))
    (tmp_path / "y.csv.bz2").write_bytes(bz2.compress(body))
    (tmp_path / "z.csv.xz").write_bytes(lzma.compress(body))
    (tmp_path / "no_suffix.csv").write_bytes(gzip.compress(body))
    for name in ("x.csv.gz", "y.csv.bz2", "z.csv.xz", "no_suffix.csv"):
        got = await load(tmp_path / name)
        assert got.frame["b"].tolist() == [2.5, 4.5]
    got = await load(tmp_path / "x.csv.gz")
    assert list(got.profiles) == ["x"]


async def test_zip_with_one_and_several_members(load, tmp_path):
    one, many = tmp_path / "one.zip", tmp_path / "many.zip"
    with zipfile.ZipFile(one, "w") as archive:
        archive.writestr("inner.csv", lines("a,b", "1,2"))
    with zipfile.ZipFile(many, "w") as archive:
        archive.writestr("sub/sales.csv", lines("a,b", "1,2"))
        archive.writestr("costs.json", '[{"c": 1}, {"c": 2}]')
        archive.writestr("__MACOSX/._sales.csv", "junk")
        archive.writestr("readme.md", "about")
    got = await load(one)
    assert list(got.profiles) == ["one"]
    got = await load(many)
    assert set(got.profiles) == {"sales", "costs"}
    assert got.names["costs"]["c"].sum() == 3


async def test_cut_archive(load, tmp_path):
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(lines(*(f"{n},{n * n}" for n in range(20000))).encode())[:-4000])
    with pytest.raises(DataError, match="unpacked"):
        await load(path)
