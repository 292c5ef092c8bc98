#pragma once
#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

template <class T>
void project_kernel(const T* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis, const T* x,
                    std::ptrdiff_t n_channels, T* out);
template <class T>
void add_events_kernel(const T* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis,
                       std::ptrdiff_t oldest_row, const HistoryEvent<T>* events,
                       std::ptrdiff_t n_events, T* out);
template <class T>
std::ptrdiff_t compress_kernel(const double* x, std::ptrdiff_t n, T* values, std::int32_t* rows);
template <class T>
void couple_kernel(const T* weights, std::ptrdiff_t n_outputs, const std::int32_t* rows,
                   const T* values, std::ptrdiff_t n_rows, T* out);

}  // namespace spikeglm
