// Losses and links: every registered observation model with every registered link.
#include <limits>
#include <random>

#include "check.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "spikeglm/glm/row_terms.hpp"

namespace {

/// A number that carries its derivative along: what the code claims to be derivatives is compared
/// with what differentiating its values gives, without the error of a step.
struct Dual {
    double value;
    double slope;
    Dual() : value(0.0), slope(0.0) {}
    explicit Dual(double v, double s = 0.0) : value(v), slope(s) {}

    friend Dual operator+(Dual a, Dual b) { return Dual(a.value + b.value, a.slope + b.slope); }
    friend Dual operator-(Dual a, Dual b) { return Dual(a.value - b.value, a.slope - b.slope); }
    friend Dual operator-(Dual a) { return Dual(-a.value, -a.slope); }
    friend Dual operator*(Dual a, Dual b) {
        return Dual(a.value * b.value, a.slope * b.value + a.value * b.slope);
    }
    friend Dual operator/(Dual a, Dual b) {
        const double ratio = a.value / b.value;
        return Dual(ratio, (a.slope - ratio * b.slope) / b.value);
    }
    friend bool operator<(Dual a, Dual b) { return a.value < b.value; }
    friend bool operator>(Dual a, Dual b) { return a.value > b.value; }
    friend bool operator>=(Dual a, Dual b) { return a.value >= b.value; }
    friend bool operator==(Dual a, Dual b) { return a.value == b.value; }
};

/// Fourth-order central difference, for scalar functions without an algebraic derivative: exact to
/// 1e-11 or so where the function varies on a scale of 1.
double difference(double (*f)(double), double x) {
    const double h = 1e-3;
    return (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h);
}

Dual each(double (*f)(double), Dual a) {
    return Dual(f(a.value), a.slope == 0.0 ? 0.0 : a.slope * difference(f, a.value));
}
Dual min(Dual a, Dual b) { return b < a ? b : a; }
Dual expm1(Dual a) { return Dual(std::expm1(a.value), a.slope * std::exp(a.value)); }
Dual exp(Dual a) { return Dual(std::exp(a.value), a.slope * std::exp(a.value)); }
Dual log(Dual a) { return Dual(std::log(a.value), a.slope / a.value); }
Dual log1p(Dual a) { return Dual(std::log1p(a.value), a.slope / (1.0 + a.value)); }
Dual abs(Dual a) { return a.value < 0.0 ? -a : a; }
Dual select(bool condition, Dual a, Dual b) { return condition ? a : b; }

using namespace spikeglm;
using Vector = std::vector<double>;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_number = std::numeric_limits<double>::quiet_NaN();

const Vector moderate_eta = {-36.0, -25.0, -20.001, -19.999, -10.0, -3.0, -1.0, -0.3, -1e-4,
                             0.0,   1e-4,  0.3,     1.0,     2.0,   5.0,  19.0, 21.0, 30.0};
const Vector extreme_eta = {0.0, 1e-300, 1e-8, 1.0, 30.0, 700.0, 745.0};
const Vector all_y = {-2.0, 0.0, 1e-300, 0.5, 1.0, 3.0, 1e8};
constexpr double parameter = 0.4;  // of models that have one

/// Calls f.operator()<Model, Link>(selector) for every pair of the registries.
template <class F>
void for_each_pair(F&& f) {
    for_each_type<Observations>([&]<class Model>(int model) {
        for_each_type<InverseLinks>([&]<class Link>(int link) {
            f.template operator()<Model, Link>(LossSelector{model, link, parameter});
        });
    });
}

template <class Model, class Link>
void say(double y, double eta) {
    check::context() = std::string(Model::name) + " with " + std::string(Link::name) + ", y " +
                       check::text(y) + ", eta " + check::text(eta);
}

template <class Model>
const Model model_of = make_model<Model>(parameter);

template <class Model, class Link>
bool in_domain(double eta) {
    const double mu = Link{}.mean(eta).value;
    return (!Model::mean_must_be_positive || mu > 0.0) &&
           (!Model::mean_must_be_below_one || mu < 1.0);
}

/// A predictor of the domain near one below 4.
template <class Model, class Link>
double inside(double eta) {
    for (const double candidate : {eta, -eta, 1.0 + eta, 0.2 * eta})
        if (in_domain<Model, Link>(candidate)) return candidate;
    return nan_number;
}

template <class Model, class Link, class V>
RowTerms<V> terms_of(const V& y, const V& eta) {
    return row_terms<Model, Link, V>(model_of<Model>, Link{}, y, eta);
}

/// Whether 1 - mu has its digits: what is said of mu alone holds for no more than that.
bool keeps_digits(double mu, bool below_one) { return !below_one || mu < 0.99; }

/// Sampled functions of the normal distribution are differentiated by differences.
template <class Link>
constexpr double exactness = std::is_same_v<Link, Probit> ? 1e-9 : 1e-12;

/// Size of the parts that a term, linear in y for exponential families, is made of.
template <class Term>
double scale(Term&& term, double y) {
    const double constant = term(0.0);
    return std::abs(constant) + std::abs(term(y) - constant) + std::abs(term(y));
}

struct Terms {
    double loss, d1, d2, expected_d2;
};

Terms by_kernel(LossSelector selector, double y, double eta) {
    Terms t{};
    double d1 = 0.0;
    kernels().row_terms(selector, Curvature::expected, 1, &y, &eta, nullptr, &d1, &t.expected_d2);
    t.loss = kernels().row_terms(selector, Curvature::observed, 1, &y, &eta, nullptr, &t.d1, &t.d2);
    CHECK(d1 == t.d1);
    return t;
}

template <class Model, class Link>
Terms by_scalar(double y, double eta) {
    const auto t = terms_of<Model, Link, double>(y, eta);
    return {t.loss.value, t.loss.d1, t.loss.d2, t.expected_d2};
}

}  // namespace

TEST("the derivatives of a loss are the derivatives of its value") {
    for_each_pair([]<class Model, class Link>(LossSelector) {
        for (const double y : {0.0, 0.5, 1.0, 3.0, 250.0})
            for (const double eta : moderate_eta) {
                if (!Model::in_support(y) || !in_domain<Model, Link>(eta)) continue;
                say<Model, Link>(y, eta);
                const auto t = terms_of<Model, Link, Dual>(Dual(y), Dual(eta, 1.0));
                // Duals multiply zero by infinity where a tail has vanished, and take one side
                // where the code for the tails meets.
                if (!std::isfinite(t.loss.value.value) || !std::isfinite(t.loss.d1.slope) ||
                    (eta == 0.0 && Link::mean_below_one))
                    continue;
                const double s1 = scale(
                    [&](double v) { return terms_of<Model, Link, double>(v, eta).loss.d1; }, y);
                const double s2 = scale(
                    [&](double v) { return terms_of<Model, Link, double>(v, eta).loss.d2; }, y);
                CHECK_CLOSE(t.loss.d1.value, t.loss.value.slope, exactness<Link> * (1.0 + s1));
                CHECK_CLOSE(t.loss.d2.value, t.loss.d1.slope, exactness<Link> * (1.0 + s1 + s2));
            }
    });
}

TEST("a loss is minus the log-likelihood, half the deviance and one over the variance") {
    for_each_pair([]<class Model, class Link>(LossSelector) {
        for (const double y : {0.0, 0.5, 1.0, 3.0, 250.0})
            for (const double eta : moderate_eta) {
                if (!Model::in_support(y) || !in_domain<Model, Link>(eta) || std::abs(eta) < 1e-3 ||
                    !keeps_digits(Link{}.mean(eta).value, Model::mean_must_be_below_one))
                    continue;
                say<Model, Link>(y, eta);
                // Two means, because a loss leaves out what does not depend on the mean.
                const double other = inside<Model, Link>(0.7);
                const double mu = Link{}.mean(eta).value;
                const double mu_other = Link{}.mean(other).value;
                // Of a model with a parameter that is what its likelihood takes.
                const double phi = is_parametric<Model> ? parameter : 1.0;
                const auto t = terms_of<Model, Link, double>(y, eta);
                const double loss = t.loss.value;
                const double loss_other = terms_of<Model, Link, double>(y, other).loss.value;
                const double tolerance =
                    1e-12 *
                    (1.0 + std::abs(loss_other) +
                     scale(
                         [&](double v) { return terms_of<Model, Link, double>(v, eta).loss.value; },
                         y));
                CHECK_CLOSE(loss - loss_other,
                            model_of<Model>.log_likelihood(y, mu_other, phi) -
                                model_of<Model>.log_likelihood(y, mu, phi),
                            tolerance);
                CHECK_CLOSE(
                    loss - loss_other,
                    0.5 * (model_of<Model>.deviance(y, mu) - model_of<Model>.deviance(y, mu_other)),
                    tolerance);
                const double slope = Link{}.mean(eta).d1 / model_of<Model>.standard_deviation(mu);
                const double expected = slope * slope;
                CHECK_CLOSE(t.expected_d2, expected, 1e-12 * expected);
            }
    });
    for_each_type<Observations>([]<class Model>(int) {
        check::context() = Model::name;
        for (const double y : {0.25, 0.9, 7.0}) {
            if (!Model::in_support(y)) continue;
            CHECK_CLOSE(model_of<Model>.deviance(y, y), 0.0, 1e-15);
            CHECK(model_of<Model>.deviance(y, 1.1 * y) > 0.0 &&
                  model_of<Model>.deviance(y, 0.9 * y) > 0.0);
        }
    });
}

TEST("expected curvature is positive, is the observed one at y = mu, and always so if canonical") {
    for_each_pair([]<class Model, class Link>(LossSelector) {
        for (const double eta : moderate_eta) {
            const double mu = Link{}.mean(eta).value;
            if (!in_domain<Model, Link>(eta) || !Model::in_support(mu) || std::abs(eta) < 1e-3 ||
                !keeps_digits(mu, Model::mean_must_be_below_one))
                continue;
            say<Model, Link>(mu, eta);
            const auto at_mean = terms_of<Model, Link, double>(mu, eta);
            const double slope = Link{}.mean(eta).d1;
            if (slope * slope == 0.0) continue;  // saturated
            CHECK(at_mean.expected_d2 > 0.0);
            const double tolerance = 1e-12 * (1.0 + at_mean.expected_d2);
            CHECK_CLOSE(at_mean.loss.d1, 0.0, tolerance);
            CHECK_CLOSE(at_mean.loss.d2, at_mean.expected_d2, tolerance);
            if constexpr (std::is_same_v<typename Model::canonical_link, Link>)
                for (const double y : {0.1, 1.0, 40.0}) {
                    if (!Model::in_support(y)) continue;
                    const auto t = terms_of<Model, Link, double>(y, eta);
                    CHECK_CLOSE(t.loss.d2, t.expected_d2, 1e-12 * t.expected_d2);
                }
        }
    });
}

TEST("links: derivatives of the mean, its logarithm and its inverse; the link undoes the mean") {
    for_each_type<InverseLinks>([]<class Link>(int) {
        for (const double eta : moderate_eta) {
            check::context() = std::string(Link::name) + ", eta " + check::text(eta);
            const auto close = [](const Jet<Dual>& jet) {
                const double size = 1.0 + std::abs(jet.value.value) + std::abs(jet.d1.value) +
                                    std::abs(jet.d2.value);
                CHECK_CLOSE(jet.d1.value, jet.value.slope, 0.1 * exactness<Link> * size);
                CHECK_CLOSE(jet.d2.value, jet.d1.slope, 0.1 * exactness<Link> * size);
            };
            const double mu = Link{}.mean(eta).value;
            if (std::abs(eta) > 1e-3 || std::isfinite(mu)) close(Link{}.mean(Dual(eta, 1.0)));
            if (!(mu > 0.0) || std::isinf(mu) || !keeps_digits(mu, Link::mean_below_one) ||
                (eta == 0.0 && Link::mean_below_one))
                continue;
            close(log_mean(Link{}, Dual(eta, 1.0)));
            close(inverse_mean(Link{}, Dual(eta, 1.0)));
            CHECK_CLOSE(log_mean(Link{}, eta).value, std::log(mu), 1e-13 * (1.0 + std::abs(eta)));
            CHECK_CLOSE(inverse_mean(Link{}, eta).value * mu, 1.0, 1e-13);
            CHECK_CLOSE(Link::link(mu), eta, 1e-13 * (1.0 + std::abs(eta)));
        }
    });
}

TEST("the product of jets follows the rule of products") {
    check::context().clear();
    for (const double eta : {-3.0, -0.1, 0.4, 2.0}) {
        const Dual x(eta, 1.0);
        const Jet<Dual> product = Softplus{}.mean(x) * Exp{}.mean(x);
        CHECK_CLOSE(product.value.value, std::log1p(std::exp(eta)) * std::exp(eta), 1e-13);
        CHECK_CLOSE(product.d1.value, product.value.slope, 1e-13 * (1.0 + product.d1.value));
        CHECK_CLOSE(product.d2.value, product.d1.slope, 1e-13 * (1.0 + product.d2.value));
    }
}

TEST("losses are never NaN, and infinite outside the domain") {
    for_each_pair([]<class Model, class Link>(LossSelector selector) {
        for (const double magnitude : extreme_eta)
            for (const double eta : {magnitude, -magnitude})
                for (const double y : all_y) {
                    if (!Model::in_support(y)) continue;
                    say<Model, Link>(y, eta);
                    for (const Terms& t :
                         {by_scalar<Model, Link>(y, eta), by_kernel(selector, y, eta)}) {
                        CHECK(!std::isnan(t.loss));
                        CHECK(!std::isnan(t.d1));
                        CHECK(!std::isnan(t.d2));
                        CHECK(!std::isnan(t.expected_d2));
                        if (in_domain<Model, Link>(eta)) continue;
                        const double mu = Link{}.mean(eta).value;
                        // Rounding, not outside.
                        if (Link::mean_positive && !(mu > 0.0)) continue;
                        if (Link::mean_below_one && !(mu < 1.0)) continue;
                        CHECK(t.loss == infinity && t.d1 == infinity && t.d2 == infinity &&
                              t.expected_d2 == infinity);
                    }
                }
    });
}

TEST("kernels agree with the scalar code at every magnitude") {
    for_each_pair([]<class Model, class Link>(LossSelector selector) {
        Vector etas = moderate_eta;
        for (const double eta : extreme_eta) etas.insert(etas.end(), {eta, -eta});
        for (const double eta : etas)
            for (const double y : all_y) {
                if (!Model::in_support(y)) continue;
                say<Model, Link>(y, eta);
                const Terms kernel = by_kernel(selector, y, eta);
                const Terms scalar = by_scalar<Model, Link>(y, eta);
                const auto tolerance = [&](double Terms::* part) {
                    return 1e-300 +
                           1e-13 *
                               scale([&](double v) { return by_scalar<Model, Link>(v, eta).*part; },
                                     y);
                };
                CHECK_CLOSE(kernel.loss, scalar.loss, tolerance(&Terms::loss));
                CHECK_CLOSE(kernel.d1, scalar.d1, tolerance(&Terms::d1));
                // A difference of parts that are as large as the expected one.
                CHECK_CLOSE(kernel.d2, scalar.d2,
                            tolerance(&Terms::d2) + 1e-15 * std::abs(scalar.expected_d2));
                CHECK_CLOSE(kernel.expected_d2, scalar.expected_d2, tolerance(&Terms::expected_d2));
            }
    });
}

TEST("kernels: tails, weights, and rows of weight zero that hold anything") {
    std::mt19937_64 generator(1);
    std::uniform_real_distribution<double> uniform(0.1, 4.0);
    for_each_pair([&]<class Model, class Link>(LossSelector selector) {
        for (std::ptrdiff_t n = 0; n <= 17; ++n)
            for (const Curvature kind : {Curvature::none, Curvature::observed, Curvature::expected})
                for (const bool weighted : {false, true}) {
                    check::context() = std::string(Model::name) + " with " +
                                       std::string(Link::name) + ", " + std::to_string(n) + " rows";
                    const auto size = static_cast<std::size_t>(n);
                    Vector y(size), eta(size), w(size), d1(size + 1, -7.0), d2(size + 1, -7.0);
                    double total = 0.0;
                    double size_of_total = 1.0;
                    for (std::size_t i = 0; i < size; ++i) {
                        y[i] = uniform(generator) * (Model::in_support(4.0) ? 1.0 : 0.25);
                        eta[i] = inside<Model, Link>(uniform(generator));
                        w[i] = weighted ? uniform(generator) : 1.0;
                        if (weighted && i % 3 == 1) {
                            w[i] = 0.0;
                            y[i] = i % 2 ? nan_number : infinity;
                            eta[i] = i % 4 < 2 ? -infinity : nan_number;
                        } else {
                            const double loss = by_scalar<Model, Link>(y[i], eta[i]).loss;
                            total += w[i] * loss;
                            size_of_total += std::abs(w[i] * loss);
                        }
                    }
                    const double sum =
                        kernels().row_terms(selector, kind, n, y.data(), eta.data(),
                                            weighted ? w.data() : nullptr, d1.data(), d2.data());
                    CHECK_CLOSE(sum, total, 1e-13 * size_of_total);
                    for (std::size_t i = 0; i < size; ++i) {
                        const Terms t =
                            w[i] == 0.0 ? Terms{} : by_scalar<Model, Link>(y[i], eta[i]);
                        const double second = kind == Curvature::observed ? t.d2 : t.expected_d2;
                        CHECK_CLOSE(d1[i], w[i] * t.d1, 1e-12 * (1.0 + std::abs(t.d1)));
                        if (kind == Curvature::none)
                            CHECK(d2[i] == -7.0);
                        else
                            CHECK_CLOSE(d2[i], w[i] * second, 1e-12 * (1.0 + std::abs(second)));
                    }
                    CHECK(d1[size] == -7.0 && d2[size] == -7.0);  // nothing beyond the end
                }
    });
}

TEST("a row's terms do not depend on where it stands") {
    const Vector etas = {0.3, 1.7, 0.9, 29.0, 2.2, 0.1, 1.1, 3.3, 0.7, 5.0, 1.3};

    for_each_pair([&]<class Model, class Link>(LossSelector selector) {
        check::context() = std::string(Model::name) + " with " + std::string(Link::name);
        const Vector y(etas.size(), Model::in_support(2.0) ? 2.0 : 0.7);
        Vector d1(etas.size()), d2(etas.size());
        kernels().row_terms(selector, Curvature::observed, static_cast<std::ptrdiff_t>(y.size()),
                            y.data(), etas.data(), nullptr, d1.data(), d2.data());
        for (std::size_t i = 0; i < etas.size(); ++i) {
            const Terms alone = by_kernel(selector, y[i], etas[i]);
            CHECK(alone.d1 == d1[i] && alone.d2 == d2[i]);
        }
    });
}

TEST("the inverse-link kernel is the mean, NaN passes through") {
    for_each_type<InverseLinks>([]<class Link>(int index) {
        Vector eta = moderate_eta;
        for (const double value : extreme_eta) eta.insert(eta.end(), {value, -value});
        eta.push_back(nan_number);
        Vector mu(eta.size() + 1, -7.0);
        kernels().inverse_link(index, static_cast<std::ptrdiff_t>(eta.size()), eta.data(),
                               mu.data());
        for (std::size_t i = 0; i + 1 < eta.size(); ++i) {
            check::context() = std::string(Link::name) + ", eta " + check::text(eta[i]);
            const double expected = Link{}.mean(eta[i]).value;
            CHECK_CLOSE(mu[i], expected, 1e-13 * std::abs(expected));
        }
        CHECK(std::isnan(mu[eta.size() - 1]));
        CHECK(mu.back() == -7.0);
    });
}
