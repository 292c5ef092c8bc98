#ifndef SPIKEGLM_ONLINE_H
#define SPIKEGLM_ONLINE_H
/* Rates bin by bin, in the loop of an experiment: the C interface. online.hpp wraps it for C++17.
 *
 * A model has inputs (channels of counts or samples), terms that make features of them, and for
 * each output the weights of all features:
 *
 *   rate[o] = inverse_link[o](intercept[o] + offset + sum_j feature[j] * coef[j * n_outputs + o]).
 *
 * `push` takes the inputs of one bin, all of the same bin, and gives the rates of that bin: what
 * GLM.predict gives for that row of the whole recording, to 1e-10. Terms of history see only the
 * bins before it. Where a model has no other terms, the rates of a bin are known before it comes:
 * `next` gives them.
 *
 * Bins without a complete window, the first `window_size` after construction or a reset, have rates
 * of NaN. So have bins with a missing input (NaN, a dropped packet) in their window or in their own
 * terms, and no others: after a NaN a history of 100 bins is silent for 100 bins. A program that
 * would rather have a guess puts one in place of the NaN.
 *
 * Numbers are row-major doubles. Functions return a status; those that construct also write what
 * went wrong into `message` (at most `message_size` bytes with the final zero; NULL is allowed).
 * No exception leaves them. `push`, `next` and `reset` allocate nothing, lock nothing and make no
 * system call. A model belongs to one thread at a time; models are independent of each other. */

#include <stddef.h>

#if defined(_WIN32)
#define SPIKEGLM_API __declspec(dllimport)
#else
#define SPIKEGLM_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Statuses. */
#define SPIKEGLM_OK 0
#define SPIKEGLM_INVALID_ARGUMENT 1 /* a description or an argument is wrong */
#define SPIKEGLM_INVALID_FILE 2     /* a file cannot be read, is damaged or of another version */
#define SPIKEGLM_OUT_OF_MEMORY 3
#define SPIKEGLM_INFINITE_INPUT 4 /* taken as missing: the rates are NaN, the bin is counted */
#define SPIKEGLM_INTERNAL_ERROR 5 /* the kernels cannot be loaded, for example */

/* Kinds of nodes. Terms are written in postfix order: a leaf makes features of its inputs, PRODUCT
 * and SUM take the two nodes before them. What is left lies side by side. */
#define SPIKEGLM_CONVOLUTION 1 /* channels convolved with filters: history, coupling */
#define SPIKEGLM_EVALUATION 2  /* a family of functions at the values of channels */
#define SPIKEGLM_FOURIER 3     /* cosines and sines of combinations of frequencies */
#define SPIKEGLM_PRODUCT 4     /* channel by channel, every function with every other, first slow */
#define SPIKEGLM_SUM 5         /* channel by channel side by side; only as a factor of a product */

/* Features of a leaf are channel-major: feature c * n_basis_funcs + b is function b of channel c.
 * Fields that do not concern a kind are zero. All pointers may be released after construction. */
typedef struct spikeglm_node {
    int kind;
    size_t first_input; /* of the channels, which are adjacent inputs */
    size_t n_channels;
    size_t n_basis_funcs; /* not of FOURIER */

    /* CONVOLUTION: feature[t] = sum_k filters[k] x[t - k - lag]; filters (window_size,
     * n_basis_funcs). The lag is 1, or 0 where the window ends with the bin itself. */
    size_t window_size;
    const double* filters;
    int includes_own_bin;

    /* EVALUATION: a family by the name that the core gives it: BSpline, CyclicBSpline, MSpline,
     * RaisedCosineLinear, RaisedCosineLog, Identity, OneHot. The features of all channels are
     * `fill_value` in a bin with a value outside its bounds. */
    const char* family;
    int order;
    double width;
    double time_scaling;
    int enforce_decay_to_zero;
    double fill_value;
    const double* bounds; /* (n_channels, 2); FOURIER: (n_dims, n_channels, 2) */

    /* FOURIER: input d of channel c is first_input + d * n_channels + c. */
    size_t n_dims;
    size_t n_waves;
    const double* frequencies; /* (n_dims, n_waves), whole numbers */
} spikeglm_node;

typedef struct spikeglm_online_description {
    size_t n_inputs;
    size_t n_outputs;
    size_t n_nodes;
    const spikeglm_node* nodes;
    size_t n_features;        /* what the terms are expected to make */
    const double* coef;       /* (n_features, n_outputs) */
    const double* intercept;  /* (n_outputs); minus infinity for an output that never fires */
    size_t n_links;           /* one, or one for each output */
    const char* const* links; /* exp, softplus, logistic, probit, cloglog, reciprocal, identity */
} spikeglm_online_description;

typedef struct spikeglm_online spikeglm_online;

/* `single_precision`: history, filters and weights are stored and multiplied as 32-bit floats,
 * which halves what a push reads; the error is about 1e-6 of the sum of absolute products. */
SPIKEGLM_API int spikeglm_online_create(const spikeglm_online_description* description,
                                        int single_precision, spikeglm_online** model,
                                        char* message, size_t message_size);
/* From a file that Python's spikeglm.online.save_online wrote; or from one of save_params, and then
 * the inputs are the features. `load_memory` takes the bytes of such a file. */
SPIKEGLM_API int spikeglm_online_load(const char* path, int single_precision,
                                      spikeglm_online** model, char* message, size_t message_size);
SPIKEGLM_API int spikeglm_online_load_memory(const void* data, size_t size, int single_precision,
                                             spikeglm_online** model, char* message,
                                             size_t message_size);
SPIKEGLM_API void spikeglm_online_free(spikeglm_online* model);

SPIKEGLM_API size_t spikeglm_online_n_inputs(const spikeglm_online* model);
SPIKEGLM_API size_t spikeglm_online_n_outputs(const spikeglm_online* model);
SPIKEGLM_API size_t spikeglm_online_n_features(const spikeglm_online* model);
/* Bins after a reset before there are rates; 0 without convolutions. */
SPIKEGLM_API size_t spikeglm_online_n_initial(const spikeglm_online* model);
/* Whether the rates of a bin may be asked for before it: no term sees its own bin. */
SPIKEGLM_API int spikeglm_online_is_predictive(const spikeglm_online* model);

/* Forgets the history: at the border of an epoch. */
SPIKEGLM_API void spikeglm_online_reset(spikeglm_online* model);

/* `inputs` (n_inputs), `rates` (n_outputs). `rates` may be NULL: the bin is only remembered. */
SPIKEGLM_API int spikeglm_online_push(spikeglm_online* model, const double* inputs, double offset,
                                      double* rates);
/* `inputs` (n_bins, n_inputs), `rates` (n_bins, n_outputs); `offsets` (n_bins) or NULL. The status
 * is OK, or INFINITE_INPUT if any bin had one. */
SPIKEGLM_API int spikeglm_online_push_many(spikeglm_online* model, size_t n_bins,
                                           const double* inputs, const double* offsets,
                                           double* rates);
/* The rates of the bin that comes next, which is not remembered. `inputs` holds what the terms of
 * evaluation need of that bin; it may be NULL for a predictive model. INVALID_ARGUMENT where a
 * convolution includes its own bin. */
SPIKEGLM_API int spikeglm_online_next(spikeglm_online* model, const double* inputs, double offset,
                                      double* rates);
/* The features of the bin whose rates were computed last, by `push` or `next`: (n_features). */
SPIKEGLM_API void spikeglm_online_features(const spikeglm_online* model, double* features);
/* Its linear predictors, of which the rates are the inverse links: (n_outputs). */
SPIKEGLM_API void spikeglm_online_linear_predictors(const spikeglm_online* model, double* eta);

#ifdef __cplusplus
}
#endif
#endif
