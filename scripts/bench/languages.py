"""Inputs of scripts/bench/multilingual: Chinese titles and queries, and the fashion queries in Chinese and English.

Written into the folder of the second argument, from the data in the folder of the first.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

MIN_TITLES, MAX_TITLES = 5, 200  # that hold a product word, or it is not asked
WORDS = 300
# The words of the fashion queries, translated for this benchmark.
_TRANSLATIONS = """
Men=男士, Women=女士, Beige=米色, Black=黑色, Blue=蓝色, Bronze=古铜色, Brown=棕色,
Charcoal=炭灰色, Copper=铜色, Cream=奶油色, Gold=金色, Green=绿色, Grey=灰色, Khaki=卡其色,
Magenta=洋红色, Maroon=栗色, Navy Blue=藏青色, Off White=米白色, Olive=橄榄色, Orange=橙色,
Peach=桃色, Pink=粉色, Purple=紫色, Red=红色, Silver=银色, Steel=钢色, Tan=棕褐色, White=白色,
Yellow=黄色, Accessory Gift Set=配饰礼盒, Backpacks=双肩包, Belts=腰带, Briefs=三角内裤,
Capris=七分裤, Caps=棒球帽, Casual Shoes=休闲鞋, Clutches=手拿包, Cufflinks=袖扣, Dresses=连衣裙,
Flats=平底鞋, Flip Flops=人字拖, Formal Shoes=正装皮鞋, Handbags=手提包, Heels=高跟鞋,
Innerwear Vests=背心内衣, Jackets=夹克, Jeans=牛仔裤, Kurtas=库尔塔长衫, Kurtis=库尔塔短衫,
Perfume and Body Mist=香水, Sandals=凉鞋, Shirts=衬衫, Shorts=短裤, Skirts=半身裙, Socks=袜子,
Sports Shoes=运动鞋, Stockings=长筒袜, Sunglasses=太阳镜, Sweaters=毛衣, Sweatshirts=卫衣,
Ties=领带, Tops=上衣, Track Pants=运动裤, Trousers=长裤, Trunk=平角内裤, Tshirts=T恤,
Tunics=束腰上衣, Wallets=钱包, Watches=手表
"""
CHINESE = dict(pair.strip().split("=") for pair in _TRANSLATIONS.replace("\n", " ").split(","))


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path, exists=True))
def main(data: Path, work: Path) -> None:
    """Write catalogues, queries and judgments below WORK."""
    write_chinese(data / "zh", work)
    write_fashion(data / "fashion", work)


def write_chinese(folder: Path, work: Path) -> None:
    """Product words of the titles as queries; a title that is marked with the word answers it.

    `struck.jsonl` has the same titles, but every second one that answers a query and names another product too lacks the
    word that is asked for, so that no look-up of words finds it.
    """
    with gzip.open(folder / "taobao_titles_ner.jsonl.gz", "rt", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = [json.loads(line) for line in file]
    products = [list(dict.fromkeys(text for kind, text in row["spans"] if kind == "HCCX")) for row in rows]
    titles = defaultdict(list)
    for number, names in enumerate(products):
        for name in names:
            titles[name].append(number)
    asked = sorted(n for n, found in titles.items() if len(n) > 1 and MIN_TITLES <= len(found) <= MAX_TITLES)
    asked = sorted(random.Random(0).sample(asked, min(WORDS, len(asked))))
    struck = {}
    for word in asked:
        others = [n for n in titles[word] if any(p != word and word not in p for p in products[n])]
        struck.update(dict.fromkeys(others[::2], word))
    write_lines(work / "titles.jsonl", ({"id": f"t{n}", "title": row["title"]} for n, row in enumerate(rows)))
    write_lines(
        work / "struck.jsonl",
        (
            {"id": f"t{n}", "title": row["title"].replace(struck[n], "") if n in struck else row["title"]}
            for n, row in enumerate(rows)
        ),
    )
    queries = {f"w{number}": word for number, word in enumerate(asked)}
    write_queries(
        work, "words", queries, {key: {f"t{n}": 1 for n in titles[w]} for key, w in queries.items()}
    )


def write_fashion(folder: Path, work: Path) -> None:
    """The titles of the products with a photo, and the attribute queries in both languages."""
    with (folder / "catalogue.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["image"]]
    write_lines(work / "fashion.jsonl", ({"id": row["id"], "title": row["title"]} for row in rows))
    lines = (folder / "attribute_queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = {query["qid"]: query for query in map(json.loads, lines)}
    grades = {key: query["qrels"] for key, query in queries.items()}
    words = ("gender", "baseColour", "articleType")
    translated = {key: "".join(CHINESE[query[word]] for word in words) for key, query in queries.items()}
    write_queries(work, "chinese", translated, grades)
    write_queries(work, "english", {key: query["query"] for key, query in queries.items()}, grades)


def write_queries(
    work: Path, name: str, queries: Mapping[str, str], grades: Mapping[str, Mapping[str, int]]
) -> None:
    write_lines(work / f"{name}.jsonl", ({"id": key, "query": words} for key, words in queries.items()))
    lines = (f"{key} 0 {id} {grade}\n" for key, judged in grades.items() for id, grade in judged.items())
    (work / f"{name}.qrels").write_text("".join(lines))


def write_lines(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
