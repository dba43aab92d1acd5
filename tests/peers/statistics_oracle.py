"""Statistics of random samples by SciPy, as JSON: a list of cases with input and expected output.

Where SciPy lacks one (Hodges-Lehmann, Hamed-Rao, Huber, the ratio of means, Newcombe, dependence) it is the formula of its
paper over whole arrays, without the shortcuts of ours. `null` is undefined.
"""

import json
import warnings

import numpy as np
from scipy import special, stats

warnings.simplefilter("ignore")
chance = np.random.default_rng(20_240_607)
LEVELS = (0.5, 0.9, 0.95, 0.999)
SIZES = (1, 2, 3, 4, 5, 8, 13, 20, 50, 117, 300)
cases = []


def plain(value):
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if value is None or isinstance(value, (int, str)):
        return value
    value = float(value)
    return value if np.isfinite(value) else None if np.isnan(value) else str(value)


def case(of, expected, **inputs):
    inputs = {name: plain(value) for name, value in inputs.items()}
    cases.append({"of": of, "expected": plain(expected), **inputs})


def dependent(n):
    noise = chance.normal(0, 1, n + 50)
    for i in range(1, n + 50):
        noise[i] += 0.7 * noise[i - 1]
    return noise[50:]


KINDS = {
    "normal": lambda n: chance.normal(3, 2, n),
    "lognormal": lambda n: chance.lognormal(0, 1, n),
    "ties": lambda n: chance.integers(0, 5, n).astype(float),
    "mostly the same": lambda n: np.where(chance.random(n) < 0.8, 1.0, chance.integers(0, 9, n)),
    "constant": lambda n: np.full(n, 0.1),
    "heavy tails": lambda n: chance.standard_cauchy(n),
    "far from zero": lambda n: 1e9 + chance.normal(0, 1, n),
    "dependent": dependent,
}


def samples():
    for draw in KINDS.values():
        for n in (0, *SIZES):
            yield draw(n)


def pairs():
    for draw in KINDS.values():
        for _ in range(14):
            n, m = chance.choice(SIZES, 2)
            shift = chance.choice([0.0, 0.5, 3.0])
            yield draw(n) + shift, draw(m)


def distributions():
    for z in np.concatenate([chance.normal(0, 8, 60), [0, 1e-9, 5, 30, 37, -37]]):
        case("normal", [stats.norm.cdf(z), stats.norm.sf(z)], z=z)
    for p in np.concatenate([chance.random(40), 10 ** chance.uniform(-300, -1, 40)]):
        case("normal_quantile", [stats.norm.ppf(p)], p=p)
    for freedom in (0.5, 1, 1.7, 2, 5, 17.3, 50, 250, 299.9, 300.1, 1000, 12345.6, 1e6):
        for t in (0, 1e-6, 0.1, 0.99, 1.01, 2, 5, 12, -0.3, -3):
            case("student", [stats.t.sf(t, freedom)], t=t, freedom=freedom)
        for p in (1e-9, 1e-4, 0.025, 0.3, 0.5, 0.6, 0.975):
            case("student_quantile", [special.stdtrit(freedom, p)], p=p, freedom=freedom)


def hodges_lehmann(a, b, level):
    if not len(a) or not len(b):
        return None
    differences = np.sort(np.subtract.outer(a, b).ravel())
    number = len(differences)
    z = stats.norm.ppf((1 + level) / 2)
    rank = int(np.floor(number / 2 - z * np.sqrt(number * (len(a) + len(b) + 1) / 12)))
    ends = (-np.inf, np.inf) if rank < 1 else (differences[rank - 1], differences[number - rank])
    return np.median(differences), *ends


def ranks():
    for a, b in pairs():
        test = stats.mannwhitneyu(a, b, method="asymptotic")
        case("mann_whitney", [test.statistic, test.pvalue], a=a, b=b)
        level = chance.choice(LEVELS)
        case("hodges_lehmann", hodges_lehmann(a, b, level), a=a, b=b, level=level)
    case("mann_whitney", None, a=[], b=[1.0])
    case("hodges_lehmann", None, a=[1.0], b=[], level=0.9)
    for _ in range(20):
        # Bins with counts against the values that they stand for.
        bins = [np.unique(chance.normal(0, 1, chance.integers(1, 20))) for _ in range(2)]
        counts = [chance.integers(1, 30, len(values)) for values in bins]
        a, b = (np.repeat(values, n) for values, n in zip(bins, counts))
        test = stats.mannwhitneyu(a, b, method="asymptotic")
        expected = [test.statistic, test.pvalue, *hodges_lehmann(a, b, 0.95)]
        expected += [np.quantile(a, 0.9), a.mean()]
        case("counted", expected, a=bins[0], b=bins[1], of_a=counts[0].tolist(), of_b=counts[1].tolist())


def irregular(n):
    return np.sort(chance.choice(np.arange(3 * n + 5), n, replace=False)).astype(float) * 300


def kendall_variance(y):
    n, groups = len(y), np.unique(y, return_counts=True)[1]
    return (n * (n - 1) * (2 * n + 5) - (groups * (groups - 1) * (2 * groups + 5)).sum()) / 18


def mann_kendall(y, inflation=1.0):
    score = np.sign(y[None, :] - y[:, None])[np.triu_indices(len(y), 1)].sum()
    variance = kendall_variance(y) * inflation
    z = 0 if score == 0 else (score - np.sign(score)) / np.sqrt(variance)
    tau = stats.kendalltau(np.arange(len(y)), y).statistic
    return [score, variance, inflation, z, 2 * stats.norm.sf(abs(z)), tau]


def hamed_rao(x, y, lags):
    n = len(y)
    slope = stats.theilslopes(y, x).slope
    r = stats.rankdata(y - slope * x)
    r = r - r.mean()
    squares = (r * r).sum()
    if squares == 0:
        return 1.0
    rho = np.array([(r[: n - k] * r[k:]).sum() / squares for k in range(n)])
    k = np.arange(1, n)
    if lags is None:
        first = np.clip(rho[1] + (1 + 3 * rho[1]) / n, 0, 0.99)
        rho = first**k
    else:
        rho = np.where((np.abs(rho[1:]) > stats.norm.ppf(0.975) / np.sqrt(n)) & (k <= lags), rho[1:], 0)
    terms = (n - k) * (n - k - 1) * (n - k - 2) * rho
    return max(1.0, 1 + 2 / (n * (n - 1) * (n - 2)) * terms.sum())


def trends():
    for y in samples():
        n = len(y)
        x = irregular(n)
        y = y + chance.choice([0, 0.001, -0.01]) * x
        level = chance.choice(LEVELS)
        if n < 2:
            for of in ("mann_kendall", "theil_sen", "line"):
                case(of, None, x=x, y=y, level=level)
            continue
        case("mann_kendall", mann_kendall(y), x=x, y=y)
        slopes = stats.theilslopes(y, x, level)
        number = n * (n - 1) / 2
        half = stats.norm.ppf((1 + level) / 2) * np.sqrt(kendall_variance(y))
        within = round((number - half) / 2) >= 1 and round((number + half) / 2) < number
        ends = (slopes.low_slope, slopes.high_slope) if within else (-np.inf, np.inf)
        case("theil_sen", [slopes.slope, slopes.intercept, *ends], x=x, y=y, level=level)
        fit = stats.linregress(x, y)
        error = None if n < 3 else fit.stderr
        expected = [fit.slope, fit.intercept, fit.rvalue**2, error]
        if np.ptp(y) == 0:
            # SciPy explains a share of the rounding of the mean.
            expected = [0, y[0], None, 0 if n >= 3 else None]
        case("line", expected, x=x, y=y)
        if n >= 3:
            for lags in (None, 3, n - 1):
                expected = mann_kendall(y, hamed_rao(x, y, lags))
                case("mann_kendall_dependent", expected, x=x, y=y, lags=lags)


def huber(values, k):
    median, scale = np.median(values), stats.median_abs_deviation(values, scale="normal")
    n = len(values)
    if scale == 0:
        return median, 0.0 if n > 1 and np.ptp(values) == 0 else None
    # The root of the sum of clipped distances, which falls with the centre.
    low, high = values.min(), values.max()
    for _ in range(200):
        centre = (low + high) / 2
        if np.clip(values - centre, -k * scale, k * scale).sum() > 0:
            low = centre
        else:
            high = centre
    clipped = np.clip(values - centre, -k * scale, k * scale)
    inside = (np.abs(values - centre) <= k * scale).mean()
    return centre, np.sqrt((clipped**2).sum() / (n * (n - 1))) / inside


def robust():
    for values in samples():
        if not len(values):
            case("deviation", None, values=values)
            case("quantile_interval", None, values=values, q=0.5, level=0.9)
            continue
        scale = stats.median_abs_deviation(values, scale="normal")
        case("deviation", [np.median(values), scale], values=values)
        case("huber", huber(values, 1.5), values=values, k=1.5)
        for q in (0.5, 0.95, chance.uniform(0.01, 0.99)):
            level = chance.choice(LEVELS)
            found = stats.quantile_test(values, q=0, p=q).confidence_interval(level)
            low = -np.inf if np.isnan(found.low) else found.low
            high = np.inf if np.isnan(found.high) else found.high
            case("quantile_interval", [np.quantile(values, q), low, high], values=values, q=q, level=level)
    many = np.sort(chance.normal(0, 1, 100_000))
    found = stats.quantile_test(many, q=0, p=0.99).confidence_interval(0.95)
    case("quantile_interval", [np.quantile(many, 0.99), found.low, found.high], values=many, q=0.99, level=0.95)


def dependence(values):
    n = len(values)
    if n < 3:
        return None
    if np.ptp(values) == 0:
        return [0, 1, n, 1]
    # Far from zero the mean is rounded to more than the results may differ by.
    values = values - values[0]
    d = values - values.mean()
    raw = (d[:-1] * d[1:]).sum() / (d * d).sum()
    r = np.clip(raw + (1 + 3 * raw) / n, 0, 0.99)
    k = np.arange(1, n)
    first = 1 + 2 * ((1 - k / n) * r**k).sum()
    size = int(np.sqrt(n))
    means = values[: n // size * size].reshape(-1, size).mean(1)
    batches = size * means.var(ddof=1) / values.var(ddof=1)
    inflation = np.clip(max(first, batches), 1, n / 2)
    return [r, inflation, n / inflation, inflation * (n - 1) / (n - inflation)]


def series():
    for values in samples():
        case("dependence", dependence(values), values=values)
        for lag in (0, 1, 3):
            d = values - values.mean() if len(values) else values
            known = lag < len(values) and np.ptp(values) > 0
            expected = [(d[: len(d) - lag] * d[lag:]).sum() / (d * d).sum()] if known else None
            case("autocorrelation", expected, values=values, lag=lag)


def ratio(a, b, level):
    if a.mean() <= 0 or b.mean() <= 0:
        return None
    v, w = (one.var(ddof=1) / len(one) / one.mean() ** 2 for one in (a, b))
    value = a.mean() / b.mean()
    if v + w == 0:
        return value, value, value
    freedom = (v + w) ** 2 / (v**2 / (len(a) - 1) + w**2 / (len(b) - 1))
    reach = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(v + w)
    return value, value * np.exp(-reach), value * np.exp(reach)


def means():
    for a, b in pairs():
        level = chance.choice(LEVELS)
        if min(len(a), len(b)) < 2:
            for of in ("welch", "ratio"):
                case(of, None, a=a, b=b, level=level)
            continue
        # SciPy's variance of a constant is the rounding of its mean.
        if np.ptp(a) == 0 and np.ptp(b) == 0:
            case("welch", None, a=a, b=b, level=level)
            continue
        test = stats.ttest_ind(a, b, equal_var=False)
        ends = test.confidence_interval(level)
        expected = [a.mean() - b.mean(), ends.low, ends.high, test.statistic, test.df, test.pvalue]
        case("welch", expected, a=a, b=b, level=level)
        case("ratio", ratio(a, b, level), a=a, b=b, level=level)


def wilson(hits, n, level):
    return stats.binomtest(hits, n).proportion_ci(level, method="wilson")


def proportions():
    counts = [(0, 1), (1, 1), (0, 20), (20, 20), (1, 100_000), (99_999, 100_000)]
    counts += [(int(chance.integers(0, n + 1)), int(n)) for n in chance.integers(1, 5000, 40)]
    for (hits, n), (others, m) in zip(counts, reversed(counts)):
        level = chance.choice(LEVELS)
        one, other = wilson(hits, n, level), wilson(others, m, level)
        p, q = hits / n, others / m
        case("wilson", [p, *one], hits=hits, n=n, level=level)
        low = p - q - np.sqrt((p - one.low) ** 2 + (other.high - q) ** 2)
        high = p - q + np.sqrt((one.high - p) ** 2 + (q - other.low) ** 2)
        expected = [p - q, max(low, -1), min(high, 1)]
        case("newcombe", expected, hits=hits, n=n, others=others, m=m, level=level)
    case("wilson", None, hits=0, n=0, level=0.9)


distributions()
ranks()
trends()
robust()
series()
means()
proportions()
print(json.dumps(cases))
