"""Detectors: a model file in, boxes out, whatever runs it."""

from detect.detectors.base import Detector, is_rounded, load_detector, named_thresholds, task_of

__all__ = ["Detector", "is_rounded", "load_detector", "named_thresholds", "task_of"]
