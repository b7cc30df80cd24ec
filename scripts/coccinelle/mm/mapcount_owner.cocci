// SPDX-License-Identifier: GPL-2.0-only
/// The mapcounts of pages and folios, and what an rmap ID adds to a folio,
/// change together, in a section of the folio's sequence count, and belong to
/// its sole writer while there is one. Who changes or reads one of them beside
/// the functions that know this breaks the others, or reads half of a change.
///
// Confidence: High
// Options: --no-includes
// Keywords: _mapcount, _large_mapcount, page_mapcount, folio_mapcount, rmap_id

virtual patch
virtual context
virtual org
virtual report

@initialize:python@
@@

# Files that own them, and functions of others that do.
FILES = ("mm/rmap.c", "mm/rmap_batch.c", "mm/rmap_id.c", "mm/page_alloc.c", "mm/debug.c",
         "include/linux/mm.h", "include/linux/rmap_batch.h", "include/linux/rmap_id.h")
FUNCTIONS = ("folio_mapped", "folio_mapcount", "page_mapcount", "__page_mapcount",
             "folio_large_mapcount", "folio_entire_mapcount", "page_mapped",
             "remap_folio_by_ptes", "__split_huge_page_tail", "__init_single_page")

def foreign(positions):
    return all(not p.file.endswith(FILES) and p.current_element not in FUNCTIONS
               for p in positions)

// ----------------------------------------------------------------------------

@depends on patch@
expression E;
position p : script:python() { foreign(p) };
@@

(
- atomic_read@p(&E->_large_mapcount) + 1
+ folio_large_mapcount(E)
|
- atomic_read@p(&E->_mapcount) + 1
+ page_mapcount(E)
)

// ----------------------------------------------------------------------------

@touch depends on !patch@
expression E;
identifier m = {_mapcount, _large_mapcount, _entire_mapcount, _nr_pages_mapped,
		_total_mapcount, rmap_seq, rmap_sum_even, rmap_sum_odd};
position p : script:python() { foreign(p) };
@@

(
* E->m@p
|
* E.m@p
)

// ----------------------------------------------------------------------------

@script:python depends on org@
p << touch.p;
m << touch.m;
@@

coccilib.org.print_todo(p[0], "WARNING %s is not for others: use page_mapcount(), folio_mapcount() or the rmap functions" % m)

@script:python depends on report@
p << touch.p;
m << touch.m;
@@

coccilib.report.print_report(p[0], "WARNING: %s is not for others: use page_mapcount(), folio_mapcount() or the rmap functions" % m)
