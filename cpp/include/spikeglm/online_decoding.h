#ifndef SPIKEGLM_ONLINE_DECODING_H
#define SPIKEGLM_ONLINE_DECODING_H
/* Closing the loop: what the activity of a fitted population says of a variable, and weights that
 * follow a drifting population. Beside spikeglm/online.h, with the same promises: nothing is
 * allocated, locked or thrown after construction; an object belongs to one thread at a time.
 *
 * All three take, bin by bin, the observations y of all outputs and their linear predictors
 * `eta` without what is to be found: spikeglm_online_linear_predictors of a model of the other
 * terms (history, known inputs), or intercepts. An output counts for nothing in a bin in which its
 * y or its eta is NaN, or its y impossible (a negative count).
 *
 * With the loss l(y, eta) = -log p, its derivative d1 and its second derivative d2:
 *
 * filter    State x = A x + noise(Q), eta_o = eta[o] + sum_k loadings[k, o] x_k. Prediction
 *           m = A m, W = A W A' + Q; then W^-1 += sum_o d2_o b_o b_o', m -= W sum_o d1_o b_o, at
 * the predicted m: the stochastic state point process filter of Eden, Frank, Barbieri, Solo & Brown
 * (2004, Neural Comput. 16:971). d2 is the observed curvature; where the sum is not positive
 * definite, as it may be with links that are not canonical, the expected one. Cost: n_outputs
 * n_states^2 / 2 + 2 n_states^3. grid      Bayes' rule on a grid of one or two dimensions: p = T'
 * p, then p *= exp(-loss) and normalised (Brown, Frank, Tang, Quirk & Wilson 1998, J. Neurosci.
 * 18:7411, who then take a Gaussian in its place). Cost: n_points n_outputs evaluations of the
 * loss, and the transition. learner   Weights beta of each output, with the intercept last, walk at
 * random: W = W / forgetting + noise I; W -= W x x'W d2 / (1 + d2 x'W x); beta -= W x d1, with the
 *           expected d2 (the same filter, with weights as the state; with noise 0, recursive Newton
 *           steps with exponential forgetting). Cost: n_outputs n_features^2 * 2. */

#include "spikeglm/online.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is observed. `dispersion`: phi of Gamma and Gaussian outputs, the parameter of
 * NegativeBinomial ones, (n_outputs); NULL: ones. */
typedef struct spikeglm_observations {
    size_t n_outputs;
    const char* model; /* Poisson, Gamma, Bernoulli, NegativeBinomial, Gaussian */
    const char* link;  /* as in online.h; NULL: the default of the model */
    const double* dispersion;
} spikeglm_observations;

typedef struct spikeglm_filter_description {
    spikeglm_observations observations;
    size_t n_states;
    const double* loadings;           /* (n_states, n_outputs): coefficients of linear terms */
    const double* transition;         /* A (n_states, n_states) */
    const double* noise;              /* Q (n_states, n_states), symmetric, positive semidefinite */
    const double* initial_mean;       /* (n_states) */
    const double* initial_covariance; /* (n_states, n_states), of the state before the first bin */
} spikeglm_filter_description;

typedef struct spikeglm_filter spikeglm_filter;
SPIKEGLM_API int spikeglm_filter_create(const spikeglm_filter_description* description,
                                        spikeglm_filter** filter, char* message,
                                        size_t message_size);
SPIKEGLM_API void spikeglm_filter_free(spikeglm_filter* filter);
/* Back to the state before the first bin. */
SPIKEGLM_API void spikeglm_filter_reset(spikeglm_filter* filter);
/* `mean` (n_states), `covariance` (n_states, n_states) or NULL. INTERNAL_ERROR where rounding or an
 * unstable A have left no positive covariance: the bin is then predicted only. */
SPIKEGLM_API int spikeglm_filter_push(spikeglm_filter* filter, const double* eta, const double* y,
                                      double* mean, double* covariance);

typedef struct spikeglm_grid_description {
    spikeglm_observations observations;
    size_t n_rows;        /* points of the first dimension */
    size_t n_columns;     /* of the second; 1 for a grid of one dimension */
    const double* tuning; /* (n_rows * n_columns, n_outputs): what a place adds to eta; NaN excludes
                           * the place for all */
    /* (n_rows, n_rows) and (n_columns, n_columns), from each point to each: rows add up to one;
     * NULL: it stays where it is. */
    const double* row_transition;
    const double* column_transition;
    const double* prior; /* (n_rows * n_columns), before the first bin; NULL: uniform */
} spikeglm_grid_description;

typedef struct spikeglm_grid spikeglm_grid;
SPIKEGLM_API int spikeglm_grid_create(const spikeglm_grid_description* description,
                                      spikeglm_grid** grid, char* message, size_t message_size);
SPIKEGLM_API void spikeglm_grid_free(spikeglm_grid* grid);
SPIKEGLM_API void spikeglm_grid_reset(spikeglm_grid* grid);
/* `posterior` (n_rows * n_columns), adds up to one. */
SPIKEGLM_API int spikeglm_grid_push(spikeglm_grid* grid, const double* eta, const double* y,
                                    double* posterior);

typedef struct spikeglm_learner_description {
    spikeglm_observations observations;
    size_t n_features;
    const double* coef;      /* (n_features, n_outputs), to start from */
    const double* intercept; /* (n_outputs) */
    /* W before the first bin, of coefficients and, last, the intercept: (n_features + 1) squared.
     */
    const double* initial_covariance;
    double noise;      /* added to the variance of each weight in each bin; 0 or more */
    double forgetting; /* in (0, 1] */
} spikeglm_learner_description;

typedef struct spikeglm_learner spikeglm_learner;
SPIKEGLM_API int spikeglm_learner_create(const spikeglm_learner_description* description,
                                         spikeglm_learner** learner, char* message,
                                         size_t message_size);
SPIKEGLM_API void spikeglm_learner_free(spikeglm_learner* learner);
/* `features` (n_features), of a bin, from spikeglm_online_features; `rates` (n_outputs) or NULL:
 * those predicted before `y` is looked at. A bin with a NaN among the features teaches nothing. */
SPIKEGLM_API int spikeglm_learner_push(spikeglm_learner* learner, const double* features,
                                       double offset, const double* y, double* rates);
/* `coef` (n_features, n_outputs), `intercept` (n_outputs). */
SPIKEGLM_API void spikeglm_learner_weights(const spikeglm_learner* learner, double* coef,
                                           double* intercept);

#ifdef __cplusplus
}
#endif
#endif
