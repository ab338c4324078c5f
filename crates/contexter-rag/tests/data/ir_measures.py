"""Makes ir_measures.json: random runs and what ir_measures says about them.

    python -m venv env && env/bin/pip install ir_measures==0.4.3
    env/bin/python ir_measures.py > ir_measures.json
"""

import json
import random
from importlib.metadata import version

import ir_measures
from ir_measures import RR, R, nDCG

MEASURES = [nDCG @ 10, RR @ 10, R @ 10, R @ 100]
DOCUMENTS = [f"d{number}" for number in range(150)]
QUERIES = 14


def case(name, grades, ties):
    qrels, run = {}, {}
    for number in range(QUERIES):
        query = f"q{number}"
        judged = random.sample(DOCUMENTS, random.randint(1, 20))
        qrels[query] = {document: random.choice(grades) for document in judged}
        if number % 7 == 6:
            continue  # judged, but nothing was found
        found = [document for document in judged if random.random() < 0.7]
        others = [document for document in DOCUMENTS if document not in found]
        random.shuffle(others)
        found = (found + others)[: random.choice([1, 3, 9, 10, 11, 60, 120])]
        random.shuffle(found)
        run[query] = {
            document: float(random.randint(0, 4)) if ties else round(random.random(), 6)
            for document in found
        }
    qrels["q1"] = dict.fromkeys(qrels["q1"], 0)  # judged, but nothing is relevant
    run["unjudged"] = {"d1": 1.0, "d2": 0.5}
    means = ir_measures.calc_aggregate(MEASURES, qrels, run)
    expected = {str(measure): value for measure, value in means.items()}
    return {"name": name, "qrels": qrels, "run": run, "expected": expected}


random.seed(20261123)
cases = [
    case("binary", [0, 1, 1], ties=False),
    case("graded", [0, 1, 2, 3], ties=False),
    case("graded with ties", [0, 1, 2, 3], ties=True),
]
note = (
    f"Made by ir_measures.py with ir_measures {version('ir_measures')} and "
    f"pytrec_eval-terrier {version('pytrec_eval-terrier')}."
)
print(json.dumps({"note": note, "cases": cases}, separators=(",", ":")))
