// A table for DuckDB, pandas, Polars and Spark: a row for every group of allocations.
//
//   SELECT file, sum(bytes) FROM 'x.parquet' GROUP BY file ORDER BY 2 DESC;
//   SELECT s.function, sum(bytes) FROM (SELECT bytes, unnest(stack) s FROM 'x.parquet') GROUP BY 1;

#include "parquet_file.h"
#include "transform-common/format.h"

namespace memray::transform {
namespace {

using Type = ParquetColumn::Type;

struct Table {
  ParquetColumn function{{"function"}, Type::text};
  ParquetColumn file{{"file"}, Type::text};
  ParquetColumn line{{"line"}, Type::int64};
  ParquetColumn bytes{{"bytes"}, Type::int64};
  ParquetColumn allocations{{"allocations"}, Type::int64};
  ParquetColumn allocator{{"allocator"}, Type::text};
  ParquetColumn thread{{"thread"}, Type::text};
  ParquetColumn stack_function{{"stack", "list", "element", "function"}, Type::text};
  ParquetColumn stack_file{{"stack", "list", "element", "file"}, Type::text};
  ParquetColumn stack_line{{"stack", "list", "element", "line"}, Type::int64};

  void add(const Capture& capture, const Group& group) {
    const std::vector<DisplayFrame> stack = display_stack(capture, group);
    const DisplayFrame innermost = stack.empty() ? DisplayFrame{} : stack.front();
    function.add(printable(innermost.function));
    file.add(printable(innermost.file));
    line.add(std::int64_t{innermost.line});
    bytes.add(static_cast<std::int64_t>(group.bytes));
    allocations.add(static_cast<std::int64_t>(group.count));
    allocator.add(name(group.allocator));
    thread.add(printable(thread_label(capture.definitions(), group.thread)));
    for (std::size_t i = 0; i < stack.size(); ++i) {
      stack_function.add_to_list(i == 0, printable(stack[i].function));
      stack_file.add_to_list(i == 0, printable(stack[i].file));
      stack_line.add_to_list(i == 0, std::int64_t{stack[i].line});
    }
    if (!stack.empty()) return;
    for (ParquetColumn* column : {&stack_function, &stack_file, &stack_line}) column->add_empty_list();
  }

  std::vector<const ParquetColumn*> columns() const {
    return {&function,  &file,   &line,           &bytes,      &allocations,
            &allocator, &thread, &stack_function, &stack_file, &stack_line};
  }
};

class Parquet final : public Format {
  std::string suffix() const override { return ".parquet"; }
  bool knows_threads() const override { return true; }

  void write(ReportContext& context, const Snapshot& snapshot, std::ostream& out) const override {
    const Metadata& metadata = context.capture().metadata();
    Table table;
    for (const Group& group : snapshot.groups) table.add(context.capture(), group);
    write_parquet(out, table.columns(), snapshot.groups.size(), "memray",
                  {{"command_line", printable(metadata.command_line)}, {"pid", std::to_string(metadata.pid)}});
  }
};

}  // namespace
}  // namespace memray::transform

MEMRAY_REPORTER(memray::transform::Parquet, "transform-parquet", "Table for DuckDB, pandas, Polars and Spark", "0.1.0")
