#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include "model.hpp"
#include "npz.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/family.hpp"
#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/all.hpp"

namespace spikeglm {
namespace {

constexpr std::size_t online_version = 1;  // of files of save_online
constexpr std::size_t model_version = 1;   // of files of save_params

/// Everything that a description points to.
struct Content {
    struct Node {
        std::vector<double> filters, bounds, frequencies;
        std::string family;
    };
    std::vector<spikeglm_node> nodes;
    std::vector<Node> owned;
    std::vector<double> coef, intercept;
    std::vector<std::string> links;
    std::size_t n_inputs = 0;

    [[nodiscard]] std::unique_ptr<OnlineModel> build(bool single_precision) {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            nodes[i].filters = owned[i].filters.data();
            nodes[i].bounds = owned[i].bounds.data();
            nodes[i].frequencies = owned[i].frequencies.data();
            nodes[i].family = owned[i].family.c_str();
        }
        std::vector<const char*> names;
        for (const std::string& link : links) names.push_back(link.c_str());
        const spikeglm_online_description description{
            n_inputs,
            intercept.size(),
            nodes.size(),
            nodes.data(),
            intercept.empty() ? 0 : coef.size() / intercept.size(),
            coef.data(),
            intercept.data(),
            names.size(),
            names.data()};
        return std::make_unique<OnlineModel>(description, single_precision);
    }
};

class Reader {
public:
    explicit Reader(std::span<const std::byte> file) : arrays_(read_npz(file)) {}

    [[nodiscard]] bool has(const std::string& name) const { return arrays_.contains(name); }

    const NpzArray& get(const std::string& name) {
        const auto found = arrays_.find(name);
        if (found == arrays_.end())
            throw InvalidFile("'" + name + "' is missing in the model file.");
        used_.insert(name);
        return found->second;
    }

    std::vector<double> matrix(const std::string& name, std::size_t n_rows, std::size_t n_cols) {
        const NpzArray& array = get(name);
        const std::vector<std::size_t> expected = {n_rows, n_cols};
        if (array.shape() != expected)
            throw InvalidFile("'" + name + "' of the model file must have shape (" +
                              std::to_string(n_rows) + ", " + std::to_string(n_cols) + ").");
        return array.numbers();
    }

    std::pair<std::size_t, std::size_t> shape(const std::string& name) {
        const NpzArray& array = get(name);
        if (array.shape().size() != 2)
            throw InvalidFile("'" + name + "' of the model file must have two dimensions.");
        return {array.shape()[0], array.shape()[1]};
    }

    void refuse_others() const {
        for (const auto& [name, array] : arrays_)
            if (!used_.contains(name))
                throw InvalidFile("'" + name + "' of the model file is not known.");
    }

private:
    std::map<std::string, NpzArray> arrays_;
    std::set<std::string> used_;
};

void require_version(std::size_t found, std::size_t known) {
    if (found != known)
        throw InvalidFile("the model file has format " + std::to_string(found) +
                          "; this version of spikeglm reads format " + std::to_string(known) +
                          ". Update spikeglm, or save the model with this version.");
}

void read_node(Reader& file, const std::string& key, Content& content) {
    spikeglm_node node{};
    Content::Node owned;
    const std::string kind = file.get(key + "kind").text();
    if (kind != "product" && kind != "sum") {
        node.first_input = file.get(key + "first_input").count();
        node.n_channels = file.get(key + "n_channels").count();
    }
    if (kind == "convolution") {
        node.kind = SPIKEGLM_CONVOLUTION;
        std::tie(node.window_size, node.n_basis_funcs) = file.shape(key + "filters");
        owned.filters = file.get(key + "filters").numbers();
        node.includes_own_bin = file.get(key + "includes_own_bin").truth();
    } else if (kind == "evaluation") {
        node.kind = SPIKEGLM_EVALUATION;
        owned.family = file.get(key + "family").text();
        node.n_basis_funcs = file.get(key + "n_basis_funcs").count();
        const std::size_t order = file.get(key + "order").count();
        if (order > 1000) throw InvalidFile("'" + key + "order' of the model file is too large.");
        node.order = static_cast<int>(order);
        node.width = file.get(key + "width").number();
        node.time_scaling = file.get(key + "time_scaling").number();
        node.enforce_decay_to_zero = file.get(key + "enforce_decay_to_zero").truth();
        node.fill_value = file.get(key + "fill_value").number();
        owned.bounds = file.matrix(key + "bounds", node.n_channels, 2);
    } else if (kind == "fourier") {
        node.kind = SPIKEGLM_FOURIER;
        std::tie(node.n_dims, node.n_waves) = file.shape(key + "frequencies");
        owned.frequencies = file.get(key + "frequencies").numbers();
        // No shape is that long: it was checked against the size of the file.
        if (node.n_channels > std::numeric_limits<std::size_t>::max() / (node.n_dims + 1))
            throw InvalidFile("'" + key + "n_channels' of the model file is too large.");
        owned.bounds = file.matrix(key + "bounds", node.n_dims * node.n_channels, 2);
    } else if (kind == "product" || kind == "sum") {
        node.kind = kind == "product" ? SPIKEGLM_PRODUCT : SPIKEGLM_SUM;
    } else {
        throw InvalidFile("'" + key + "kind' of the model file is '" + kind +
                          "', which is not known.");
    }
    content.nodes.push_back(node);
    content.owned.push_back(std::move(owned));
}

/// What save_online wrote.
Content read_terms(Reader& file) {
    require_version(file.get("online_version").count(), online_version);
    file.get("spikeglm_version");
    Content content;
    content.n_inputs = file.get("n_inputs").count();
    const std::size_t n_nodes = file.get("n_nodes").count();
    for (std::size_t i = 0; i < n_nodes; ++i)
        read_node(file, "node/" + std::to_string(i) + "/", content);
    const auto [n_features, n_outputs] = file.shape("coef");
    content.coef = file.get("coef").numbers();
    content.intercept = file.get("intercept").numbers();
    content.links = file.get("links").texts();
    if (file.get("intercept").shape() != std::vector{n_outputs})
        throw InvalidFile("'intercept' of the model file must have " + std::to_string(n_outputs) +
                          " values, as 'coef' has columns.");
    file.refuse_others();
    return content;
}

/// The inverse link of a model of save_params: its own, that of its observation model, or the
/// default.
std::string link_of(Reader& file) {
    for (const char* key :
         {"param/inverse_link_function", "param/observation_model/inverse_link_function"})
        if (file.has(key)) return file.get(key).text();
    std::string model =
        file.get(file.has("param/observation_model") ? "param/observation_model"
                                                     : "param/observation_model/class")
            .text();
    constexpr std::string_view suffix = "Observations";
    if (model.ends_with(suffix)) model.resize(model.size() - suffix.size());
    std::string link;
    with_type<Observations>(index_of<Observations>(model, "observation model"),
                            [&]<class Model>() { link = Model::default_link::name; });
    return link;
}

/// What save_params wrote: the inputs are the features.
Content read_estimator(Reader& file) {
    require_version(file.get("format_version").count(), model_version);
    const std::string kind = file.get("model_class").text();
    if (kind != "GLM" && kind != "PopulationGLM")
        throw InvalidFile("the model file holds a " + kind +
                          "; online are models of the classes GLM and PopulationGLM.");
    if (!file.has("fitted/intercept_")) throw InvalidFile("the model in the file is not fitted.");
    Content content;
    content.intercept = file.get("fitted/intercept_").numbers();
    content.links = {link_of(file)};
    const std::size_t n_outputs = content.intercept.size();
    std::size_t n_features = 0;
    const auto add = [&](const std::string& name) {
        const NpzArray& part = file.get(name);
        const std::size_t n_dims = part.shape().size();
        const std::size_t n_cols = n_dims == 2 ? part.shape()[1] : 1;
        if (n_dims != (kind == "GLM" ? 1 : 2) || n_cols != n_outputs)
            throw InvalidFile("'" + name +
                              "' and 'fitted/intercept_' of the model file must have "
                              "the same number of neurons.");
        const std::vector<double> values = part.numbers();
        content.coef.insert(content.coef.end(), values.begin(), values.end());
        n_features += part.shape()[0];
    };
    const std::string coef = "fitted/coef_";
    if (!file.has(coef + "/dict"))
        add(coef);
    else
        for (const std::string& name : file.get(coef + "/dict").texts())
            add(coef + "/dict/" + name);

    content.n_inputs = n_features;
    if (n_features == 0) return content;
    const double infinity = std::numeric_limits<double>::infinity();
    spikeglm_node node{};
    node.kind = SPIKEGLM_EVALUATION;
    node.n_channels = n_features;
    node.n_basis_funcs = 1;
    node.fill_value = nan_value;
    content.nodes.push_back(node);
    Content::Node owned;
    owned.family = "Identity";
    for (std::size_t i = 0; i < n_features; ++i)
        owned.bounds.insert(owned.bounds.end(), {-infinity, infinity});
    content.owned.push_back(std::move(owned));
    return content;
}

}  // namespace

std::unique_ptr<OnlineModel> read_online_model(std::span<const std::byte> bytes,
                                               bool single_precision) {
    Reader file(bytes);
    Content content;
    if (file.has("online_version"))
        content = read_terms(file);
    else if (file.has("format_version"))
        content = read_estimator(file);
    else
        throw InvalidFile(
            "the file holds no model: it has neither 'online_version' nor "
            "'format_version'.");
    try {
        return content.build(single_precision);
    } catch (const std::invalid_argument& error) {
        throw InvalidFile("the model of the file contradicts itself: " + std::string(error.what()));
    }
}

}  // namespace spikeglm
