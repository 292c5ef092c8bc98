#include "basis_kernels.hpp"
#include "block_products.hpp"
#include "cholesky.hpp"
#include "convolution_kernels.hpp"
#include "factored_products.hpp"
#include "local_basis.hpp"
#include "many_products.hpp"
#include "online_kernels.hpp"
#include "pointwise.hpp"

#if defined(_WIN32)
#define SPIKEGLM_KERNEL_EXPORT __declspec(dllexport)
#else
#define SPIKEGLM_KERNEL_EXPORT __attribute__((visibility("default")))
#endif

extern "C" SPIKEGLM_KERNEL_EXPORT const spikeglm::KernelTable* spikeglm_kernels() {
    using namespace spikeglm;
    static constexpr KernelTable table = {
        kernel_abi,
        SPIKEGLM_LEVEL,
        matvec_kernel,
        transpose_matvec_kernel,
        matvec_many_kernel,
        transpose_matvec_many_kernel,
        add_products_kernel,
        products_size_kernel,
        collect_products_kernel,
        add_moments_kernel,
        add_cell_moments_kernel,
        row_terms_kernel,
        cholesky_kernel,
        cholesky_solve_kernel,
        inverse_link_kernel,
        evaluate_basis_kernel,
        evaluate_runs_kernel,
        multiply_kernel,
        fourier_kernel,
        convolve_events_kernel,
        convolve_dense_kernel,
        fft_forward_kernel,
        fft_filter_kernel,
        project_kernel<double>,
        project_kernel<float>,
        add_events_kernel<double>,
        add_events_kernel<float>,
        compress_kernel<double>,
        compress_kernel<float>,
        couple_kernel<double>,
        couple_kernel<float>,
    };
    return &table;
}
