#include "npz.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <string_view>

#include "model.hpp"

namespace spikeglm {
namespace {

[[noreturn]] void refuse(const std::string& why) {
    throw InvalidFile("not a model file, or a damaged one: " + why + ".");
}

/// A little-endian number of `size` bytes.
std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t offset, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value |= std::to_integer<std::uint64_t>(bytes[offset + i]) << (8 * i);
    return value;
}

template <class T>
T element(std::span<const std::byte> data, std::size_t index) {
    const std::uint64_t bits = number_at(data, index * sizeof(T), sizeof(T));
    if constexpr (sizeof(T) == 8)
        return std::bit_cast<T>(bits);
    else if constexpr (sizeof(T) == 4)
        return std::bit_cast<T>(static_cast<std::uint32_t>(bits));
    else if constexpr (sizeof(T) == 2)
        return std::bit_cast<T>(static_cast<std::uint16_t>(bits));
    else
        return std::bit_cast<T>(static_cast<std::uint8_t>(bits));
}

/// CRC-32 of zip files (ISO 3309).
std::uint32_t checksum(std::span<const std::byte> bytes) {
    static const auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            made[i] = i;
            for (int bit = 0; bit < 8; ++bit)
                made[i] = made[i] >> 1 ^ (made[i] & 1 ? 0xedb88320U : 0U);
        }
        return made;
    }();
    std::uint32_t crc = 0xffffffffU;
    for (const std::byte byte : bytes)
        crc = table[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xffU] ^ crc >> 8;
    return ~crc;
}

/// Text that is taken from the front, piece by piece.
class Header {
public:
    explicit Header(std::string_view text) : text_(text) {}
    bool take(std::string_view word) {
        if (!text_.starts_with(word)) return false;
        text_.remove_prefix(word.size());
        return true;
    }
    bool take(std::size_t& number) {
        const auto found = std::from_chars(text_.data(), text_.data() + text_.size(), number);
        if (found.ec != std::errc{}) return false;
        text_.remove_prefix(static_cast<std::size_t>(found.ptr - text_.data()));
        return true;
    }
    [[nodiscard]] std::string_view rest() const { return text_; }

private:
    std::string_view text_;
};

/// {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), } and spaces, then a line feed.
NpzArray read_npy(const std::string& name, std::span<const std::byte> member) {
    constexpr std::string_view magic("\x93NUMPY\x01\x00", 8);
    const auto bad = [&] { refuse("'" + name + "' is not a plain array"); };
    if (member.size() < 10 || std::memcmp(member.data(), magic.data(), magic.size()) != 0) bad();
    const std::size_t begin = 10 + number_at(member, 8, 2);
    if (begin > member.size()) bad();
    Header header({reinterpret_cast<const char*>(member.data()) + 10, begin - 10});
    if (!header.take("{'descr': '")) bad();
    const bool one_byte = header.take("|");
    if (!one_byte && !header.take("<")) bad();
    const char kind = header.rest().empty() ? '\0' : header.rest().front();
    std::size_t item_size = 0;
    if (!header.take(std::string_view(&kind, 1)) || !header.take(item_size)) bad();
    const bool known = kind == 'b' ? item_size == 1
                       : kind == 'i' || kind == 'u'
                           ? item_size == 1 || item_size == 2 || item_size == 4 || item_size == 8
                       : kind == 'f' ? item_size == 4 || item_size == 8
                       : kind == 'U' ? item_size >= 1 && item_size <= 9'999'999
                                     : false;
    if (!known || (one_byte != (item_size == 1 && kind != 'U'))) bad();
    if (kind == 'U') item_size *= 4;
    if (!header.take("', 'fortran_order': ")) bad();
    const bool fortran_order = header.take("True");
    if (!fortran_order && !header.take("False")) bad();
    if (!header.take(", 'shape': (")) bad();
    std::vector<std::size_t> shape;
    std::size_t size = item_size;
    const std::size_t n_bytes = member.size() - begin;
    while (!header.take(")")) {
        std::size_t extent = 0;
        if (shape.size() == 8 || (!shape.empty() && !header.take(" ")) || !header.take(extent))
            bad();
        if (extent != 0 && size > n_bytes / extent) bad();  // larger than what is there
        size *= extent;
        shape.push_back(extent);
        const bool comma = header.take(",");
        if (!comma && (shape.size() < 2 || !header.rest().starts_with(")"))) bad();
        if (comma && shape.size() == 1 && header.rest().starts_with(")")) continue;
        if (comma && header.rest().starts_with(")")) bad();
    }
    if (!header.take(", }") || header.rest().empty() ||
        header.rest().find_first_not_of(' ') + 1 != header.rest().size() ||
        header.rest().back() != '\n')
        bad();
    if (size != n_bytes) bad();
    return {name, kind, item_size, fortran_order, std::move(shape), member.subspan(begin)};
}

}  // namespace

NpzArray::NpzArray(std::string name, char kind, std::size_t item_size, bool fortran_order,
                   std::vector<std::size_t> shape, std::span<const std::byte> data)
    : name_(std::move(name)),
      kind_(kind),
      item_size_(item_size),
      fortran_order_(fortran_order),
      shape_(std::move(shape)),
      data_(data),
      size_(data.size() / item_size) {}

void NpzArray::require(bool condition, const char* expected) const {
    if (!condition)
        throw InvalidFile("'" + name_ + "' of the model file must be " + expected + ".");
}

void NpzArray::require_scalar(const char* expected) const { require(shape_.empty(), expected); }

std::vector<double> NpzArray::numbers() const {
    require(kind_ != 'U' && shape_.size() <= 2, "numbers, of two dimensions at most");
    std::vector<double> values(size_);
    const auto read = [&]<class T>() {
        for (std::size_t i = 0; i < size_; ++i)
            values[i] = static_cast<double>(element<T>(data_, i));
    };
    if (kind_ == 'f')
        item_size_ == 8 ? read.operator()<double>() : read.operator()<float>();
    else if (kind_ == 'i')
        item_size_ == 8   ? read.operator()<std::int64_t>()
        : item_size_ == 4 ? read.operator()<std::int32_t>()
        : item_size_ == 2 ? read.operator()<std::int16_t>()
                          : read.operator()<std::int8_t>();
    else
        item_size_ == 8   ? read.operator()<std::uint64_t>()
        : item_size_ == 4 ? read.operator()<std::uint32_t>()
        : item_size_ == 2 ? read.operator()<std::uint16_t>()
                          : read.operator()<std::uint8_t>();
    if (!fortran_order_ || shape_.size() < 2) return values;
    std::vector<double> turned(size_);
    for (std::size_t r = 0; r < shape_[0]; ++r)
        for (std::size_t c = 0; c < shape_[1]; ++c)
            turned[r * shape_[1] + c] = values[c * shape_[0] + r];
    return turned;
}

double NpzArray::number() const {
    require_scalar("one number");
    return numbers().front();
}

std::size_t NpzArray::count() const {
    require(shape_.empty() && kind_ == 'i' && item_size_ == 8, "one 64-bit integer");
    const auto value = element<std::int64_t>(data_, 0);
    require(value >= 0, "zero or more");
    return static_cast<std::size_t>(value);
}

bool NpzArray::truth() const {
    require(shape_.empty() && kind_ == 'b' && element<std::uint8_t>(data_, 0) <= 1,
            "one truth value");
    return element<std::uint8_t>(data_, 0) == 1;
}

std::vector<std::string> NpzArray::texts() const {
    require(kind_ == 'U' && shape_.size() <= 1, "text");
    std::vector<std::string> values(size_);
    const std::size_t n_letters = item_size_ / 4;
    for (std::size_t i = 0; i < size_; ++i)
        for (std::size_t k = 0; k < n_letters; ++k) {
            const auto letter = element<std::uint32_t>(data_, i * n_letters + k);
            if (letter == 0) break;
            require(letter >= 0x20 && letter < 0x7f, "text of ASCII letters");
            values[i].push_back(static_cast<char>(letter));
        }
    return values;
}

std::string NpzArray::text() const {
    require_scalar("one text");
    return texts().front();
}

std::map<std::string, NpzArray> read_npz(std::span<const std::byte> file) {
    constexpr std::size_t end_size = 22;
    constexpr std::size_t entry_size = 46;
    constexpr std::size_t local_size = 30;
    if (file.size() < end_size || file.size() >= 0xffffffffU) refuse("it has no directory");
    const auto end = file.last(end_size);
    const std::size_t n_entries = number_at(end, 10, 2);
    const std::size_t directory = number_at(end, 16, 4);
    if (number_at(end, 0, 4) != 0x06054b50 || number_at(end, 4, 4) != 0 ||
        number_at(end, 8, 2) != n_entries || number_at(end, 20, 2) != 0 ||
        directory > file.size() - end_size ||
        number_at(end, 12, 4) != file.size() - end_size - directory)
        refuse("its directory is damaged");

    std::map<std::string, NpzArray> arrays;
    std::size_t at = directory;   // of the entry
    std::size_t next_member = 0;  // where it must begin
    const std::size_t last = file.size() - end_size;
    for (std::size_t i = 0; i < n_entries; ++i) {
        if (last - at < entry_size) refuse("its directory is cut off");
        const auto entry = file.subspan(at);
        const std::size_t name_size = number_at(entry, 28, 2);
        const std::size_t size = number_at(entry, 24, 4);
        const std::size_t begin = number_at(entry, 42, 4);
        const bool plain = number_at(entry, 0, 4) == 0x02014b50 && number_at(entry, 8, 2) == 0 &&
                           number_at(entry, 10, 2) == 0 && number_at(entry, 20, 4) == size &&
                           number_at(entry, 30, 2) == 0 && number_at(entry, 32, 2) == 0 &&
                           number_at(entry, 34, 2) == 0;
        if (!plain || name_size > last - at - entry_size)
            refuse("an array is compressed, or its entry is damaged");
        const std::string_view file_name(reinterpret_cast<const char*>(entry.data()) + entry_size,
                                         name_size);
        if (!file_name.ends_with(".npy")) refuse("it holds something that is no array");
        const std::string name(file_name.substr(0, name_size - 4));
        at += entry_size + name_size;

        if (begin != next_member || directory - begin < local_size + name_size ||
            size > directory - begin - local_size - name_size)
            refuse("'" + name + "' is not where it should be");
        const auto local = file.subspan(begin);
        const bool same = number_at(local, 0, 4) == 0x04034b50 && number_at(local, 6, 2) == 0 &&
                          number_at(local, 8, 2) == 0 &&
                          number_at(local, 14, 4) == number_at(entry, 16, 4) &&
                          number_at(local, 18, 4) == size && number_at(local, 22, 4) == size &&
                          number_at(local, 26, 2) == name_size && number_at(local, 28, 2) == 0 &&
                          std::memcmp(local.data() + local_size, file_name.data(), name_size) == 0;
        if (!same) refuse("'" + name + "' and its entry in the directory differ");
        const auto member = local.subspan(local_size + name_size, size);
        if (checksum(member) != number_at(entry, 16, 4))
            refuse("'" + name + "' has another checksum than its bytes");
        next_member = begin + local_size + name_size + size;
        if (!arrays.emplace(name, read_npy(name, member)).second)
            refuse("'" + name + "' is there twice");
    }
    if (at != last || next_member != directory) refuse("there are bytes that belong to nothing");
    return arrays;
}

}  // namespace spikeglm
