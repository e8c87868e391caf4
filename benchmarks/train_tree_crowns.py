"""Train on one real picture of tree crowns, test on two others: `python benchmarks/train_tree_crowns.py --work DIR`.

Needs the yolo extra and the shared test data (OVERFLY_TESTDATA). Yellowstone (YELL) is trained on; of Soaproot (SOAP)
and Ordway-Swisher (OSBS) one chooses the epoch, the threshold and the calibration, and the other is tested on, then the
other way round. Prints the JSON of both trainings; the cards are DIR/test-osbs/model.md and DIR/test-soap/model.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from train_simulated import overfly

PICTURES = {"yell": "2019_YELL_2_541000_4977000_image_crop.xml", "soap": "SOAP_061.xml", "osbs": "OSBS_029.csv"}
GSD_CM = "10"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for tiles and runs")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--start", help="instead of the COCO weights of yolov8n_coco_int8.onnx")
    parser.add_argument("--freeze", default="10", help="first layers kept as started; 0 for a .yaml")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    data = Path(os.environ.get("OVERFLY_TESTDATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    crowns = {site: data / "imagery" / "tree_crowns" / name for site, name in PICTURES.items()}
    for val, test in (("soap", "osbs"), ("osbs", "soap")):
        out = options.work / f"test-{test}"
        shutil.rmtree(out, ignore_errors=True)
        arguments = [str(crowns["yell"]), "--val", str(crowns[val]), "--test", str(crowns[test]), "--out", str(out)]
        # What stands dead at Soaproot is a tree as well.
        arguments += ["--name", "Alive=Tree", "--name", "Dead=Tree", "--gsd", GSD_CM, "--tile", "320"]
        arguments += ["--start", options.start or str(data / "models" / "yolov8n_coco_int8.onnx")]
        arguments += ["--freeze", options.freeze]
        arguments += ["--augment", "elsewhere", "--epochs", str(options.epochs), "--batch", "8", "--rate", "0.001"]
        overfly("train", *arguments, "--threads", str(options.threads), "--json")


if __name__ == "__main__":
    main()
