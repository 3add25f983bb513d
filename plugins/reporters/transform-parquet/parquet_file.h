// A Parquet file of one row group: columns of numbers and texts, and one column of lists of structures.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace memray::transform {

// Of the rows' values as they come. In a list, `repeats` says for each value whether it goes on with the list before,
// and a row without elements has a missing value.
class ParquetColumn {
 public:
  enum class Type { int64, text };
  // `path` is where it stands in the schema: {"size"}, or {"stack", "list", "element", "file"} in a list.
  ParquetColumn(std::vector<std::string> path, Type type) : path_(std::move(path)), type_(type) {}

  void add(std::int64_t value);
  void add(std::string_view value);
  void add_to_list(bool first, std::int64_t value);
  void add_to_list(bool first, std::string_view value);
  void add_empty_list();

  const std::vector<std::string>& path() const { return path_; }
  Type type() const { return type_; }
  bool in_list() const { return path_.size() > 1; }
  std::size_t values() const { return in_list() ? repeats_.size() : count_; }
  std::string page() const;

 private:
  std::vector<std::string> path_;
  Type type_;
  std::string bytes_;  // PLAIN encoding
  std::size_t count_ = 0;
  std::vector<bool> repeats_, present_;  // of a list
};

// All columns in the order of the schema, the members of a structure next to each other.
void write_parquet(std::ostream& out, const std::vector<const ParquetColumn*>& columns, std::size_t rows,
                   std::string_view created_by, const std::vector<std::pair<std::string, std::string>>& metadata);

}  // namespace memray::transform
