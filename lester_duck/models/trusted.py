"""The reviewed list: estimators a pipeline may name, and types a stored model may hold.

A class is here if it is scikit-learn's own, takes numbers, texts and tuples as parameters (no
nested estimator, no callable), and was written and read back by skops in the tests. Nothing else
is ever imported because a pipeline or a model file says so.
"""

from __future__ import annotations

import difflib

from lester_duck.errors import Unsupported

_BY_MODULE: dict[str, tuple[str, ...]] = {
    "sklearn.calibration": ("CalibratedClassifierCV",),
    "sklearn.cluster": (
        "AffinityPropagation", "AgglomerativeClustering", "DBSCAN", "KMeans", "MeanShift", "MiniBatchKMeans",
    ),
    "sklearn.discriminant_analysis": ("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"),
    "sklearn.dummy": ("DummyClassifier", "DummyRegressor"),
    "sklearn.ensemble": (
        "AdaBoostClassifier", "AdaBoostRegressor", "BaggingClassifier", "BaggingRegressor", "ExtraTreesClassifier",
        "ExtraTreesRegressor", "GradientBoostingClassifier", "GradientBoostingRegressor",
        "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "RandomForestClassifier",
        "RandomForestRegressor",
    ),
    "sklearn.kernel_ridge": ("KernelRidge",),
    "sklearn.linear_model": (
        "ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "GammaRegressor", "HuberRegressor", "Lars",
        "LarsCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "LinearRegression",
        "LogisticRegression", "LogisticRegressionCV", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV",
        "PassiveAggressiveClassifier", "PassiveAggressiveRegressor", "Perceptron", "PoissonRegressor",
        "QuantileRegressor", "Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier",
        "SGDRegressor", "TheilSenRegressor", "TweedieRegressor",
    ),
    "sklearn.naive_bayes": ("BernoulliNB", "CategoricalNB", "ComplementNB", "GaussianNB", "MultinomialNB"),
    "sklearn.neighbors": (
        "KNeighborsClassifier", "KNeighborsRegressor", "NearestCentroid", "RadiusNeighborsClassifier",
        "RadiusNeighborsRegressor",
    ),
    "sklearn.neural_network": ("MLPClassifier", "MLPRegressor"),
    "sklearn.semi_supervised": ("LabelPropagation", "LabelSpreading"),
    "sklearn.svm": ("LinearSVC", "LinearSVR", "NuSVC", "NuSVR", "SVC", "SVR"),
    "sklearn.tree": ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"),
}  # fmt: skip

STORED_TYPES: tuple[str, ...] = (
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
"""Private types of scikit-learn that skops does not trust by itself."""


def estimator_names() -> tuple[str, ...]:
    """Full public names of all estimators that may be built, sorted.

    >>> "sklearn.neural_network.MLPClassifier" in estimator_names()
    True
    """
    return tuple(sorted(f"{module}.{name}" for module, names in _BY_MODULE.items() for name in names))


def resolve(name: str) -> tuple[str, str]:
    """The public module and class of an estimator, given its public or private full name.

    Raises Unsupported for anything not on the list, naming what is near.

    >>> resolve("sklearn.neural_network._multilayer_perceptron.MLPClassifier")
    ('sklearn.neural_network', 'MLPClassifier')
    """
    module, _, short = name.rpartition(".")
    public = ".".join(module.split(".")[:2])
    if short in _BY_MODULE.get(public, ()) and all(part.startswith("_") for part in module.split(".")[2:3]):
        return public, short
    names = estimator_names()
    near = [n for n in names if n.rpartition(".")[2].lower() == short.lower()]
    near = near or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    raise Unsupported(
        f"estimator '{name}' is not on the list of estimators that may be built",
        hint=f"near it are: {', '.join(near)}" if near else "name a scikit-learn classifier, regressor or clusterer",
    )
