// Loads a model that Python fitted and pushes a recording in buffers of ten bins: MODEL INPUTS
// RATES, the last two raw doubles, rows of inputs and of the rates that `predict` gave.
#include "spikeglm/online.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "doubles.hpp"

int main(int n_arguments, char** arguments) {
    if (n_arguments != 4) return 2;
    try {
        auto model = spikeglm::online::Model::load(arguments[1]);
        const std::vector<double> inputs = read_doubles(arguments[2]);
        const std::vector<double> expected = read_doubles(arguments[3]);
        const std::size_t n_bins = inputs.size() / model.n_inputs();
        std::vector<double> rates(n_bins * model.n_outputs());
        for (std::size_t t = 0; t < n_bins; t += 10)
            model.push_many(std::min<std::size_t>(10, n_bins - t),
                            inputs.data() + t * model.n_inputs(),
                            rates.data() + t * model.n_outputs());
        const std::size_t n_wrong = count_different(rates, expected);
        std::printf("%zu bins, %zu rates differ from those of Python\n", n_bins, n_wrong);
        return n_wrong == 0 ? 0 : 1;
    } catch (const spikeglm::online::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
