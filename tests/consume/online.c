/* A model that is described in C: one neuron, its own history of three bins. */
#include "spikeglm/online.h"

#include <math.h>
#include <stdio.h>

int main(void) {
    const double filters[3] = {1.0, 0.5, 0.25};
    const double coef[1] = {-0.4};
    const double intercept[1] = {0.2};
    const char* const links[1] = {"exp"};
    const double counts[6] = {1.0, 0.0, 2.0, 0.0, 1.0, 3.0};
    spikeglm_node node = {0};
    spikeglm_online_description description = {0};
    spikeglm_online* model = NULL;
    char message[256];
    double rate = 0.0;
    int t;

    node.kind = SPIKEGLM_CONVOLUTION;
    node.n_channels = 1;
    node.n_basis_funcs = 1;
    node.window_size = 3;
    node.filters = filters;
    description.n_inputs = 1;
    description.n_outputs = 1;
    description.n_nodes = 1;
    description.nodes = &node;
    description.n_features = 1;
    description.coef = coef;
    description.intercept = intercept;
    description.n_links = 1;
    description.links = links;
    if (spikeglm_online_create(&description, 0, &model, message, sizeof message) != SPIKEGLM_OK) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    for (t = 0; t < 6; ++t) {
        const double sum = t < 3 ? 0.0
                                 : filters[0] * counts[t - 1] + filters[1] * counts[t - 2] +
                                       filters[2] * counts[t - 3];
        spikeglm_online_push(model, counts + t, 0.0, &rate);
        if (t < 3 ? !isnan(rate) : fabs(rate - exp(0.2 - 0.4 * sum)) > 1e-14) return 1;
        printf("bin %d: rate %f\n", t, rate);
    }
    spikeglm_online_free(model);
    if (spikeglm_online_load("no such file.npz", 0, &model, message, sizeof message) !=
        SPIKEGLM_INVALID_FILE)
        return 1;
    printf("%s\n", message);
    return 0;
}
