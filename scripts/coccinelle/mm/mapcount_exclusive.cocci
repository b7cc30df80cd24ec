// SPDX-License-Identifier: GPL-2.0-only
/// That one page of a folio is mapped once does not say that the folio is
/// mapped by one process: its other pages may be mapped by others. And a large
/// folio that one process maps alone has a mapcount of many. Whether others map
/// it is asked by folio_mapped_shared() or page_mapped_shared().
///
//# A folio that was found not to be large, or to be hugetlb's, is not reported,
//# if that is seen in the same condition or in the function's name. Patch mode
//# needs a VMA of that name in the function: look whether it is that of who asks.
///
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: page_mapcount, folio_mapcount, folio_mapped_shared

virtual patch
virtual context
virtual org
virtual report

@initialize:python@
@@

# Those that answer the question; hugetlb's pages are mapped whole, and those of
# KSM are single ones.
FUNCTIONS = ("folio_mapped_shared", "page_mapped_shared", "folio_owned",
             "folio_likely_mapped_shared", "folio_estimated_sharers")

def may_be_large(positions):
    return all(p.current_element not in FUNCTIONS and "hugetlb" not in p.file and not p.file.endswith("mm/ksm.c") and
               "hugetlb" not in p.current_element for p in positions)

// What is small is mapped as often as its page.
@small@
expression E, F;
identifier f = {page_mapcount, folio_mapcount, total_mapcount, folio_estimated_sharers};
identifier large = {folio_test_large, PageCompound, PageTransCompound};
position s;
@@

(
!large(F) && <+... f@s(E) ...+>
|
<+... !large(F) ...+> && <+... f@s(E) ...+>
)

// ----------------------------------------------------------------------------

@depends on patch@
identifier fn, vma;
expression E;
position p != small.s;
position q : script:python() { may_be_large(q) };
@@

fn(..., struct vm_area_struct *vma, ...)
{
<...
(
- page_mapcount@p@q(E) != 1
+ page_mapped_shared(E, vma->vm_mm)
|
- page_mapcount@p@q(E) > 1
+ page_mapped_shared(E, vma->vm_mm)
|
- page_mapcount@p@q(E) == 1
+ !page_mapped_shared(E, vma->vm_mm)
|
- folio_mapcount@p@q(E) != 1
+ folio_mapped_shared(E, vma->vm_mm)
|
- folio_mapcount@p@q(E) > 1
+ folio_mapped_shared(E, vma->vm_mm)
|
- folio_mapcount@p@q(E) == 1
+ !folio_mapped_shared(E, vma->vm_mm)
)
...>
}

// ----------------------------------------------------------------------------

@guess depends on !patch@
expression E;
identifier f = {page_mapcount, folio_mapcount, total_mapcount, folio_estimated_sharers};
position p != small.s;
position q : script:python() { may_be_large(q) };
@@

(
* f@p@q(E) == 1
|
* f@p@q(E) != 1
|
* f@p@q(E) > 1
|
* f@p@q(E) <= 1
|
* f@p@q(E) >= 2
|
* f@p@q(E) < 2
)

// ----------------------------------------------------------------------------

@script:python depends on org@
p << guess.p;
f << guess.f;
@@

coccilib.org.print_todo(p[0], "WARNING %s() does not tell whether a large folio is shared, use folio_mapped_shared()" % f)

@script:python depends on report@
p << guess.p;
f << guess.f;
@@

coccilib.report.print_report(p[0], "WARNING: %s() does not tell whether a large folio is shared, use folio_mapped_shared()" % f)
