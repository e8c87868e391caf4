"""Estimators: from counts in sampled units to a number of animals with its limits, one module per family."""

from counts.estimators.bootstrap import bootstrap_ratio
from counts.estimators.categories import ReliabilityCategories, reliability_categories, sample_count_categories
from counts.estimators.detector_error import DetectorCorrected, precision_recall
from counts.estimators.double_observer import DoubleObserver, double_observer
from counts.estimators.encounter_rate import EncounterVariance, encounter_rate_variance
from counts.estimators.estimate import Component, Estimate, estimate, no_estimate, total
from counts.estimators.jolly import RatioVariance, jolly1, jolly2, jolly3, total_count
from counts.estimators.limits import LimitForm, limits, satterthwaite, t_quantile, wilson_interval
from counts.estimators.subsample import (
    SubsampleMethod,
    stratified_subsample_total,
    subsample_moments,
    subsample_total,
)

__all__ = [
    "Component",
    "DetectorCorrected",
    "DoubleObserver",
    "EncounterVariance",
    "Estimate",
    "LimitForm",
    "RatioVariance",
    "ReliabilityCategories",
    "SubsampleMethod",
    "bootstrap_ratio",
    "double_observer",
    "encounter_rate_variance",
    "estimate",
    "jolly1",
    "jolly2",
    "jolly3",
    "limits",
    "no_estimate",
    "precision_recall",
    "reliability_categories",
    "sample_count_categories",
    "satterthwaite",
    "stratified_subsample_total",
    "subsample_moments",
    "subsample_total",
    "t_quantile",
    "total",
    "total_count",
    "wilson_interval",
]
