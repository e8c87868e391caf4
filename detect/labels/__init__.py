"""Labels: what people (or detectors) marked in pictures, in whatever format it was written down."""

from detect.labels.labelled import ImageLabels, LabelSet
from detect.labels.reading import read_labels

__all__ = ["ImageLabels", "LabelSet", "read_labels"]
