"""Estimators: from counts in sampled units to a number of animals with its limits, one module per family."""

from counts.estimators.bootstrap import bootstrap_ratio
from counts.estimators.categories import ReliabilityCategories, reliability_categories, sample_count_categories
from counts.estimators.density_surface import DensitySurface, density_surface_total, fit_density_surface
from counts.estimators.detection_function import (
    Adjustment,
    DetectionFunction,
    DetectionModel,
    Key,
    fit_detection_function,
    select_detection_function,
)
from counts.estimators.detector_error import DetectorCorrected, precision_recall
from counts.estimators.distance import GroupSize, StripDetection, line_transects
from counts.estimators.double_observer import DoubleObserver, double_observer
from counts.estimators.encounter_rate import EncounterVariance, encounter_rate_variance
from counts.estimators.estimate import Component, Estimate, estimate, no_estimate, total
from counts.estimators.goodness import GoodnessOfFit, goodness_of_fit
from counts.estimators.jolly import RatioVariance, jolly1, jolly2, jolly3, total_count
from counts.estimators.limits import LimitForm, limits, satterthwaite, t_quantile, wilson_interval
from counts.estimators.multipliers import Rate, availability_in_view, divided_by, divided_by_class
from counts.estimators.sightability import SampledStratum, SightabilityModel, fit_sightability, sightability_total
from counts.estimators.subsample import (
    SubsampleMethod,
    stratified_subsample_total,
    subsample_moments,
    subsample_total,
)
from counts.estimators.two_observers import FullIndependence, TwoObservers, fit_two_observers, huggins

__all__ = [
    "Adjustment",
    "Component",
    "DensitySurface",
    "DetectionFunction",
    "DetectionModel",
    "DetectorCorrected",
    "DoubleObserver",
    "EncounterVariance",
    "Estimate",
    "FullIndependence",
    "GoodnessOfFit",
    "GroupSize",
    "Key",
    "LimitForm",
    "Rate",
    "RatioVariance",
    "ReliabilityCategories",
    "SampledStratum",
    "SightabilityModel",
    "StripDetection",
    "SubsampleMethod",
    "TwoObservers",
    "availability_in_view",
    "bootstrap_ratio",
    "density_surface_total",
    "divided_by",
    "divided_by_class",
    "double_observer",
    "encounter_rate_variance",
    "estimate",
    "fit_density_surface",
    "fit_detection_function",
    "fit_sightability",
    "fit_two_observers",
    "goodness_of_fit",
    "huggins",
    "jolly1",
    "jolly2",
    "jolly3",
    "limits",
    "line_transects",
    "no_estimate",
    "precision_recall",
    "reliability_categories",
    "sample_count_categories",
    "satterthwaite",
    "select_detection_function",
    "sightability_total",
    "stratified_subsample_total",
    "subsample_moments",
    "subsample_total",
    "t_quantile",
    "total",
    "total_count",
    "wilson_interval",
]
