// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mock page tables for KUnit suites: see mock_pgtable.h.
 */
#include <linux/gfp.h>
#include <linux/memcontrol.h>
#include <linux/mm_inline.h>
#include <linux/mman.h>
#include <linux/mmzone.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/rmap.h>
#include <linux/rmap_id.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "../../mm/internal.h"
#include "mock_pgtable.h"

/* A folio that mock_map_run() made, with the reference that keeps it */
struct mock_held {
	struct list_head list;
	struct folio *folio;
};

/* ---------------------------------------------------------------- mm, VMA */

struct mock_create_args {
	unsigned int skip;
	unsigned int nr;
	unsigned long vm_flags;
};

static int mock_insert_vma(struct mock_pgtable *mock,
			   const struct mock_create_args *args)
{
	struct vm_area_struct *vma = vm_area_alloc(mock->mm);
	int err;

	if (!vma)
		return -ENOMEM;

	vma_set_anonymous(vma);
	vma->vm_start = mock->base + args->skip * PAGE_SIZE;
	vma->vm_end = vma->vm_start + args->nr * PAGE_SIZE;
	vma->vm_flags = args->vm_flags;
	vma->vm_page_prot = vm_get_page_prot(args->vm_flags);

	mmap_write_lock(mock->mm);
	err = insert_vm_struct(mock->mm, vma);
	mmap_write_unlock(mock->mm);
	if (err) {
		vm_area_free(vma);
		return err;
	}

	mock->vma = vma;
	/* It looks at the neighbours */
	mmap_read_lock(mock->mm);
	err = anon_vma_prepare(vma);
	mmap_read_unlock(mock->mm);
	return err;
}

/* The mm has gone: only the references that keep the folios are left */
static void mock_put_held(struct mock_pgtable *mock)
{
	struct mock_held *held, *next;

	list_for_each_entry_safe(held, next, &mock->folios, list) {
		struct folio *folio = held->folio;

		KUNIT_EXPECT_EQ_MSG(mock->test, folio_ref_count(folio), 1,
				    "a reference to a folio of order %u was lost or left",
				    folio_order(folio));
		KUNIT_EXPECT_EQ_MSG(mock->test, folio_mapcount(folio), 0,
				    "a mapping of a folio of order %u was left",
				    folio_order(folio));
		folio_put(folio);
		kfree(held);
	}
}

static void mock_destroy(struct mock_pgtable *mock)
{
	if (mock->mm) {
		if (mock->vma) {
			mock_unmap(mock, 0, vma_pages(mock->vma));
			KUNIT_EXPECT_EQ_MSG(mock->test,
					    get_mm_counter(mock->mm, MM_ANONPAGES), 0UL,
					    "nothing is mapped, but anonymous pages are counted");
		}
		mmput(mock->mm);
	}
	lru_add_drain();
	mock_put_held(mock);
	kfree(mock);
}

static int mock_pgtable_init_res(struct kunit_resource *res, void *context)
{
	struct mock_pgtable *mock = kzalloc(sizeof(*mock), GFP_KERNEL);
	int err = -ENOMEM;

	if (!mock)
		return -ENOMEM;

	INIT_LIST_HEAD(&mock->folios);
	mock->test = ((void **)context)[0];
	mock->base = ALIGN(SZ_1G, 2 * PMD_SIZE);
	mock->mm = mm_alloc();
	if (mock->mm)
		err = mock_insert_vma(mock, ((void **)context)[1]);
	if (err) {
		mock_destroy(mock);
		return err;
	}

	res->data = mock;
	return 0;
}

static void mock_pgtable_free_res(struct kunit_resource *res)
{
	mock_destroy(res->data);
}

/**
 * mock_pgtable_create - Make an mm with one anonymous VMA.
 * @test: The test; its end releases the mm.
 * @skip: Pages between the start of a PMD range and the start of the VMA.
 * @nr: Pages of the VMA.
 * @vm_flags: The VMA's flags.
 *
 * Context: A test case; stops it if that can't be done.
 * Return: The mock.
 */
struct mock_pgtable *mock_pgtable_create(struct kunit *test, unsigned int skip,
					 unsigned int nr, unsigned long vm_flags)
{
	struct mock_create_args args = { skip, nr, vm_flags };
	void *context[] = { test, &args };
	struct mock_pgtable *mock;

	mock = kunit_alloc_resource(test, mock_pgtable_init_res,
				    mock_pgtable_free_res, GFP_KERNEL, context);
	KUNIT_ASSERT_NOT_NULL_MSG(test, mock, "no mm with a VMA of %u pages", nr);

	return mock;
}

static bool mock_is_resource(struct kunit *test, struct kunit_resource *res,
			     void *mock)
{
	return res->data == mock;
}

/**
 * mock_pgtable_release - Release a mock before its test ends.
 * @mock: The mock. Checks that every mapping and every reference went.
 *
 * Context: A test case.
 */
void mock_pgtable_release(struct mock_pgtable *mock)
{
	kunit_destroy_resource(mock->test, mock_is_resource, mock);
}

/**
 * mock_inherit - Make one mock the child of another, as far as rmap can tell.
 * @child: Has mapped nothing yet. Its anon_vma is put below the parent's.
 * @parent: The parent.
 *
 * Without it, nobody may map what the other maps but by mock_copy_run().
 *
 * Context: A test case; stops it if there is no memory.
 */
void mock_inherit(struct mock_pgtable *child, struct mock_pgtable *parent)
{
	int err;

	mmap_write_lock(child->mm);
	unlink_anon_vmas(child->vma);
	err = anon_vma_fork(child->vma, parent->vma);
	mmap_write_unlock(child->mm);
	KUNIT_ASSERT_EQ(child->test, err, 0);
}

#ifdef CONFIG_RMAP_ID
/**
 * mock_lose_id - The mm shares its rmap ID, as when there was none left for it.
 * @mock: The mock. Nothing is mapped in it.
 */
void mock_lose_id(struct mock_pgtable *mock)
{
	mm_rmap_id_free(mock->mm);
	mock->mm->rmap_id = &rmap_id_shared;
}

/**
 * mock_has_id - Whether the mm has an rmap ID of its own.
 * @mock: The mock.
 *
 * Return: True if it has.
 */
bool mock_has_id(const struct mock_pgtable *mock)
{
	return mock->mm->rmap_id != &rmap_id_shared;
}
#endif

/* ------------------------------------------------------------ page tables */

/**
 * mock_pmd_alloc - The PMD entry for a page of the VMA, as it is.
 * @mock: The mock.
 * @at: Pages from the start of the VMA.
 *
 * Context: A test case; stops it if there is no memory for the tables above.
 * Return: The entry; empty if nothing was mapped there.
 */
pmd_t *mock_pmd_alloc(struct mock_pgtable *mock, unsigned int at)
{
	unsigned long addr = mock_addr(mock, at);
	struct mm_struct *mm = mock->mm;
	p4d_t *p4d = p4d_alloc(mm, pgd_offset(mm, addr), addr);
	pud_t *pud = p4d ? pud_alloc(mm, p4d, addr) : NULL;
	pmd_t *pmd = pud ? pmd_alloc(mm, pud, addr) : NULL;

	KUNIT_ASSERT_NOT_NULL(mock->test, pmd);

	return pmd;
}

/**
 * mock_pmd - The PMD entry for a page of the VMA, with a page table.
 * @mock: The mock.
 * @at: Pages from the start of the VMA.
 *
 * Context: A test case; stops it if there is no memory for a page table.
 * Return: The entry.
 */
pmd_t *mock_pmd(struct mock_pgtable *mock, unsigned int at)
{
	pmd_t *pmd = mock_pmd_alloc(mock, at);

	KUNIT_ASSERT_EQ(mock->test, pte_alloc(mock->mm, pmd), 0);

	return pmd;
}

/**
 * mock_adjoin_tables - Lay two page tables side by side in memory.
 * @mock: The mock. It has none of the two yet.
 * @at: Pages from the start of the VMA, in the range of the first.
 * @next: The same in that of the second, which is behind it.
 *
 * Who runs over the end of the first meets PTEs of the second.
 *
 * Context: A test case; skips it on s390, whose page tables are parts of pages,
 *	and stops it if there is no memory.
 */
void mock_adjoin_tables(struct mock_pgtable *mock, unsigned int at, unsigned int next)
{
#ifdef CONFIG_S390
	kunit_skip(mock->test, "page tables are parts of pages");
#else
	pmd_t *pmds[] = { mock_pmd_alloc(mock, at), mock_pmd_alloc(mock, next) };
	struct page *tables = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO, 1);
	int i;

	KUNIT_ASSERT_NOT_NULL(mock->test, tables);
	split_page(tables, 1);
	for (i = 0; i < 2; i++) {
		pgtable_t table = tables + i;

		KUNIT_ASSERT_TRUE(mock->test, pgtable_pte_page_ctor(table));
		pmd_install(mock->mm, pmds[i], &table);
		KUNIT_EXPECT_NULL(mock->test, table);
	}
#endif
}

/**
 * mock_pte - The PTE of a page of the VMA.
 * @mock: The mock.
 * @at: Pages from the start of the VMA.
 *
 * Return: The PTE; empty where there is no page table, or a PMD leaf.
 */
pte_t mock_pte(struct mock_pgtable *mock, unsigned int at)
{
	unsigned long addr = mock_addr(mock, at);
	pmd_t *pmd = mm_find_pmd(mock->mm, addr);
	pte_t *ptep, pte;

	if (!pmd || pmd_none(*pmd) || pmd_trans_huge(*pmd)) {
		/* Not zero everywhere */
		pte_clear(mock->mm, addr, &pte);
		return pte;
	}

	ptep = pte_offset_map(pmd, addr);
	pte = ptep_get(ptep);
	pte_unmap(ptep);

	return pte;
}

/**
 * mock_set_pte - Write a PTE as it is: no page is counted or referenced.
 * @mock: The mock.
 * @at: Pages from the start of the VMA.
 * @pte: The value. One that zapping should not see has to be cleared again.
 */
void mock_set_pte(struct mock_pgtable *mock, unsigned int at, pte_t pte)
{
	unsigned long addr = mock_addr(mock, at);
	pmd_t *pmd = mock_pmd(mock, at);
	spinlock_t *ptl; /* the page table's */
	pte_t *ptep;

	ptep = pte_offset_map_lock(mock->mm, pmd, addr, &ptl);
	/* An empty one is not zero everywhere */
	if (pte_none(pte) || !pte_val(pte))
		pte_clear(mock->mm, addr, ptep);
	else
		set_pte_at(mock->mm, addr, ptep, pte);
	pte_unmap_unlock(ptep, ptl);
}

/**
 * mock_folio - The folio that a page of the VMA maps.
 * @mock: The mock.
 * @at: Pages from the start of the VMA.
 *
 * Return: The folio; NULL for an empty PTE, a zero page or another entry.
 */
struct folio *mock_folio(struct mock_pgtable *mock, unsigned int at)
{
	pte_t pte = mock_pte(mock, at);

	if (!pte_present(pte) || is_zero_pfn(pte_pfn(pte)))
		return NULL;

	return page_folio(pte_page(pte));
}

/**
 * mock_run_pte - The PTE for a page of a run.
 * @page: The page.
 * @flags: MOCK_* flags.
 *
 * Return: A present PTE with exactly these flags.
 */
pte_t mock_run_pte(struct page *page, unsigned long flags)
{
	unsigned long vm_flags = flags & MOCK_PROTNONE ? VM_NONE : VM_READ;
	pte_t pte = mk_pte(page, vm_get_page_prot(vm_flags));

	pte = pte_wrprotect(pte_mkclean(pte_mkold(pte)));
	if (flags & MOCK_WRITE)
		pte = pte_mkwrite(pte);
	if (flags & MOCK_DIRTY)
		pte = pte_mkdirty(pte);
	if (flags & MOCK_YOUNG)
		pte = pte_mkyoung(pte);

	/* A dirty PTE is born soft-dirty */
	return flags & MOCK_SOFT_DIRTY ? pte_mksoft_dirty(pte) :
					 pte_clear_soft_dirty(pte);
}

/**
 * mock_pte_flags - What mock_run_pte() would make this PTE from.
 * @pte: A present PTE.
 *
 * Return: MOCK_* flags, without MOCK_PROTNONE.
 */
unsigned long mock_pte_flags(pte_t pte)
{
	return (pte_write(pte) ? MOCK_WRITE : 0) |
	       (pte_dirty(pte) ? MOCK_DIRTY : 0) |
	       (pte_young(pte) ? MOCK_YOUNG : 0) |
	       (pte_soft_dirty(pte) ? MOCK_SOFT_DIRTY : 0);
}

/**
 * mock_mix - Flags of one of several PTEs, from the octal digits of a number.
 * @mix: The number. Counting it up gives all mixes.
 * @i: Which of the PTEs.
 *
 * Return: MOCK_* flags.
 */
unsigned long mock_mix(unsigned int mix, unsigned int i)
{
	const unsigned int digit = mix >> 3 * i & 7;

	return (digit & 1 ? MOCK_WRITE : 0) | (digit & 2 ? MOCK_YOUNG : 0) |
	       (digit & 4 ? MOCK_DIRTY : 0) |
	       (hweight8(digit) & 1 ? MOCK_SOFT_DIRTY : 0);
}

/**
 * mock_expect_pte - Expect a PTE to map a page in one way.
 * @test: The test.
 * @pte: The PTE.
 * @page: The page.
 * @flags: MOCK_* flags, without MOCK_PROTNONE.
 * @what: Whose PTE it is, for the log.
 * @code: Which case of the test it is, for the log.
 * @i: Which PTE it is, for the log.
 */
void mock_expect_pte(struct kunit *test, pte_t pte, struct page *page,
		     unsigned long flags, const char *what, unsigned int code,
		     unsigned int i)
{
	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		flags &= ~MOCK_SOFT_DIRTY;
	KUNIT_EXPECT_TRUE_MSG(test, pte_present(pte) && pte_page(pte) == page,
			      "case %#o: the %s's entry %u is %#llx", code, what, i,
			      (u64)pte_val(pte));
	KUNIT_EXPECT_EQ_MSG(test, mock_pte_flags(pte), flags,
			    "case %#o: flags of the %s's entry %u", code, what, i);
}

static struct folio *mock_new_folio(struct mock_pgtable *mock,
				    const struct mock_run *run)
{
	unsigned long addr = mock_addr(mock, run->at);
	struct mock_held *held = kzalloc(sizeof(*held), GFP_KERNEL);
	struct folio *folio;

	KUNIT_ASSERT_NOT_NULL(mock->test, held);
	folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE | __GFP_ZERO, run->order,
				mock->vma, addr, false);
	if (folio && mem_cgroup_charge(folio, mock->mm, GFP_KERNEL)) {
		folio_put(folio);
		folio = NULL;
	}
	if (!folio)
		kfree(held);
	KUNIT_ASSERT_NOT_NULL_MSG(mock->test, folio, "no folio of order %u",
				  run->order);

	held->folio = folio;
	list_add(&held->list, &mock->folios);

	/* As migration sets up its target */
	__folio_set_swapbacked(folio);
	__folio_mark_uptodate(folio);
	folio->mapping = (void *)mock->vma->anon_vma + PAGE_MAPPING_ANON;
	folio->index = linear_page_index(mock->vma, addr) - run->first;
	count_mthp_stat(run->order, MTHP_STAT_NR_ANON);

	return folio;
}

/**
 * mock_map_pages - Map consecutive pages of a folio, as swap-in does.
 * @mock: The mock.
 * @folio: The folio: anonymous, and its place in the VMA is as @run says.
 * @run: The run. Its PTEs are empty, and nobody maps its pages.
 *
 * Context: A test case.
 */
void mock_map_pages(struct mock_pgtable *mock, struct folio *folio,
		    const struct mock_run *run)
{
	pmd_t *pmd = mock_pmd(mock, run->at);
	spinlock_t *ptl; /* the page table's */
	unsigned int i;
	pte_t *pte;

	folio_lock(folio);
	pte = pte_offset_map_lock(mock->mm, pmd, mock_addr(mock, run->at), &ptl);
	for (i = 0; i < run->nr; i++) {
		unsigned long addr = mock_addr(mock, run->at + i);
		struct page *page = folio_page(folio, run->first + i);

		folio_get(folio);
		page_add_anon_rmap(page, mock->vma, addr,
				   run->flags & MOCK_SHARED ? RMAP_NONE :
							      RMAP_EXCLUSIVE);
		set_pte_at(mock->mm, addr, pte + i,
			   mock_run_pte(page, run->flags));
	}
	add_mm_counter(mock->mm, MM_ANONPAGES, run->nr);
	pte_unmap_unlock(pte, ptl);
	folio_unlock(folio);
}

/**
 * mock_map_run - Map consecutive pages of a new folio.
 * @mock: The mock.
 * @run: The run. Its PTEs are empty.
 *
 * The folio is zeroed, charged, on the LRU and kept by one reference beside
 * those of its mappings, like the pin of somebody who is about to split it.
 *
 * Context: A test case; stops it if there is no memory.
 * Return: The folio.
 */
struct folio *mock_map_run(struct mock_pgtable *mock, const struct mock_run *run)
{
	struct folio *folio;

	mock_pmd(mock, run->at);
	folio = mock_new_folio(mock, run);
	mock_map_pages(mock, folio, run);
	folio_add_lru_vma(folio, mock->vma);

	return folio;
}

/**
 * mock_unmap - Unmap pages, as MADV_DONTNEED does.
 * @mock: The mock.
 * @at: The first page: pages from the start of the VMA.
 * @nr: Number of pages.
 */
void mock_unmap(struct mock_pgtable *mock, unsigned int at, unsigned int nr)
{
	mmap_read_lock(mock->mm);
	zap_page_range_single(mock->vma, mock_addr(mock, at), nr * PAGE_SIZE, NULL);
	mmap_read_unlock(mock->mm);
}

/**
 * mock_copy_run - Copy one run for a child, as copy_pte_range() does it.
 * @parent: Whose run it is.
 * @child: Who gets it, at the same place.
 * @at: Where it begins: pages from the start of the VMA.
 * @end: Where it ends at most.
 *
 * Return: What copy_folio_ptes() returned.
 */
int mock_copy_run(struct mock_pgtable *parent, struct mock_pgtable *child,
		  unsigned int at, unsigned int end)
{
	pmd_t *src_pmd = mock_pmd(parent, at), *dst_pmd = mock_pmd(child, at);
	unsigned long addr = mock_addr(parent, at);
	spinlock_t *src_ptl, *dst_ptl; /* the page tables' */
	struct page *page;
	pte_t *src, *dst;
	int nr;

	mmap_write_lock(parent->mm);
	mmap_write_lock_nested(child->mm, SINGLE_DEPTH_NESTING);
	dst = pte_offset_map_lock(child->mm, dst_pmd, addr, &dst_ptl);
	src = pte_offset_map(src_pmd, addr);
	src_ptl = pte_lockptr(parent->mm, src_pmd);
	spin_lock_nested(src_ptl, SINGLE_DEPTH_NESTING);
	raw_write_seqcount_begin(&parent->mm->write_protect_seq);

	page = pte_page(ptep_get(src));
	nr = copy_folio_ptes(child->vma, parent->vma, dst, src, page, addr,
			     mock_addr(parent, end));
	add_mm_counter(child->mm, mm_counter(page), nr);

	raw_write_seqcount_end(&parent->mm->write_protect_seq);
	spin_unlock(src_ptl);
	pte_unmap(src);
	pte_unmap_unlock(dst, dst_ptl);
	mmap_write_unlock(child->mm);
	mmap_write_unlock(parent->mm);

	return nr;
}

/* ----------------------------------------------------------------- faults */

/**
 * mock_fault - Let the kernel handle a page fault.
 * @mock: The mock.
 * @at: Where: pages from the start of the VMA.
 * @write: Whether it is a write.
 *
 * Return: 0, or the bits of VM_FAULT_ERROR that handle_mm_fault() gives.
 */
int mock_fault(struct mock_pgtable *mock, unsigned int at, bool write)
{
	vm_fault_t ret;

	mmap_read_lock(mock->mm);
	ret = handle_mm_fault(mock->vma, mock_addr(mock, at),
			      write ? FAULT_FLAG_WRITE : 0, NULL);
	mmap_read_unlock(mock->mm);

	return (__force int)(ret & VM_FAULT_ERROR);
}

/**
 * mock_vmf - A write fault as do_anonymous_page() would see it.
 * @mock: The mock.
 * @at: Where: pages from the start of the VMA.
 *
 * Context: A test case; stops it if there is no memory for a page table.
 * Return: The fault.
 */
struct vm_fault mock_vmf(struct mock_pgtable *mock, unsigned int at)
{
	struct vm_fault vmf = {
		.vma = mock->vma,
		.address = mock_addr(mock, at),
		.real_address = mock_addr(mock, at),
		.pgoff = linear_page_index(mock->vma, mock_addr(mock, at)),
		.flags = FAULT_FLAG_WRITE,
		.gfp_mask = GFP_HIGHUSER_MOVABLE,
		.pmd = mock_pmd(mock, at),
	};

	return vmf;
}

/* --------------------------------------------------------------- settings */

struct mock_settings {
	unsigned long always;
	unsigned long inherit;
	unsigned long madvise;
	unsigned long flags;
	enum anon_folio_policy policy;
};

static int mock_settings_init_res(struct kunit_resource *res, void *context)
{
	struct mock_settings *old = kzalloc(sizeof(*old), GFP_KERNEL);

	if (!old)
		return -ENOMEM;

	old->always = huge_anon_orders_always;
	old->inherit = huge_anon_orders_inherit;
	old->madvise = huge_anon_orders_madvise;
	old->flags = transparent_hugepage_flags;
	old->policy = anon_folio_policy;
	res->data = old;

	return 0;
}

static void mock_settings_free_res(struct kunit_resource *res)
{
	struct mock_settings *old = res->data;

	huge_anon_orders_always = old->always;
	huge_anon_orders_inherit = old->inherit;
	huge_anon_orders_madvise = old->madvise;
	transparent_hugepage_flags = old->flags;
	anon_folio_policy = old->policy;
	kfree(old);
}

/**
 * mock_settings_save - Begin with every size at "never".
 * @test: The test; its end brings back the settings that are in force now.
 *
 * The global file is at "never" too, and the policy is the default.
 *
 * Context: A test case; stops it if there is no memory.
 */
void mock_settings_save(struct kunit *test)
{
	KUNIT_ASSERT_NOT_NULL(test,
			      kunit_alloc_resource(test, mock_settings_init_res,
						   mock_settings_free_res,
						   GFP_KERNEL, NULL));
	mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_NEVER);
	mock_settings_set(ANON_FOLIO_STRICT, ANON_FOLIO_NEVER);
}

/**
 * mock_settings_set - Set the policy and the global file.
 * @policy: The policy.
 * @global: ANON_FOLIO_ALWAYS, ANON_FOLIO_MADVISE or ANON_FOLIO_NEVER.
 *
 * Context: After mock_settings_save().
 */
void mock_settings_set(enum anon_folio_policy policy,
		       enum anon_folio_enabled global)
{
	anon_folio_policy = policy;
	assign_bit(TRANSPARENT_HUGEPAGE_FLAG, &transparent_hugepage_flags,
		   global == ANON_FOLIO_ALWAYS);
	assign_bit(TRANSPARENT_HUGEPAGE_REQ_MADV_FLAG, &transparent_hugepage_flags,
		   global == ANON_FOLIO_MADVISE);
}

/**
 * mock_settings_orders - Set hugepages-<size>kB/enabled.
 * @orders: The orders that are set.
 * @enabled: What to.
 *
 * Context: After mock_settings_save().
 */
void mock_settings_orders(unsigned long orders, enum anon_folio_enabled enabled)
{
	int order;

	for_each_set_bit(order, &orders, HPAGE_PMD_ORDER + 1)
		huge_anon_order_set(order, enabled);
}

/* ---------------------------------------------------------- fragmentation */

/* Keep every other block of 2^(order - 1) pages of a page, free the others */
static void mock_shred(struct list_head *kept, struct page *page,
		       unsigned int page_order, int order)
{
	unsigned int i;

	split_page(page, page_order);
	for (i = 0; i < 1U << page_order; i++)
		if (i & BIT(order - 1))
			__free_page(page + i);
		else
			list_add(&page[i].lru, kept);
}

/* Take each free block of 2^order pages and more, also from the reserves */
static unsigned long mock_shred_all(struct list_head *kept, int order)
{
	const gfp_t gfp = __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_MEMALLOC |
			  __GFP_NORETRY | __GFP_NOWARN;
	unsigned long nr = 0;
	int page_order;

	for (page_order = MAX_ORDER - 1; page_order >= order; page_order--) {
		struct page *page;

		while ((page = alloc_pages(gfp, page_order))) {
			mock_shred(kept, page, page_order, order);
			nr++;
			cond_resched();
		}
	}

	return nr;
}

static int mock_fragment_init_res(struct kunit_resource *res, void *context)
{
	struct list_head *kept = kmalloc(sizeof(*kept), GFP_KERNEL);
	int order = *(int *)context;

	if (!kept)
		return -ENOMEM;

	INIT_LIST_HEAD(kept);
	res->data = kept;
	/* Blocks may hide in the lists of each CPU, where order 0 to 3 wait */
	do
		drain_all_pages(NULL);
	while (mock_shred_all(kept, order));

	return 0;
}

static void mock_fragment_free_res(struct kunit_resource *res)
{
	struct list_head *kept = res->data;
	struct page *page, *next;

	list_for_each_entry_safe(page, next, kept, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
	drain_all_pages(NULL);
	kfree(kept);
}

static bool mock_is_fragment(struct kunit *test, struct kunit_resource *res,
			     void *unused)
{
	return res->free == mock_fragment_free_res;
}

/**
 * mock_fragment_release - Repair what mock_fragment() did, before the test ends.
 * @test: The test.
 */
void mock_fragment_release(struct kunit *test)
{
	kunit_destroy_resource(test, mock_is_fragment, NULL);
}

/**
 * mock_fragment - Leave no free block of 2^order pages.
 * @test: The test; its end repairs it, if mock_fragment_release() did not.
 * @order: At least 1. About half of the memory stays free, in smaller blocks:
 *	the test has to have by then what it needs of larger ones, such as an mm.
 *
 * What is kept cannot be moved, so that compaction finds nothing to do.
 *
 * Context: A test case; stops it if there is no memory.
 */
void mock_fragment(struct kunit *test, int order)
{
	KUNIT_ASSERT_NOT_NULL(test,
			      kunit_alloc_resource(test, mock_fragment_init_res,
						   mock_fragment_free_res,
						   GFP_KERNEL, &order));
}

/* ----------------------------------------------------------------- counts */

static struct mock_counts mock_counts_before;

/* Exact, with what the CPUs have not folded in yet */
static long mock_node_state(enum node_stat_item item)
{
	struct pglist_data *pgdat;
	long sum = 0;
	int cpu;

	for_each_online_pgdat(pgdat) {
		sum += atomic_long_read(&pgdat->vm_stat[item]);
		for_each_online_cpu(cpu)
			sum += per_cpu_ptr(pgdat->per_cpu_nodestats, cpu)->vm_node_stat_diff[item];
	}

	return sum;
}

static long mock_zone_state(enum zone_stat_item item)
{
	struct zone *zone;
	long sum = 0;

	for_each_populated_zone(zone)
		sum += zone_page_state_snapshot(zone, item);

	return sum;
}

static long mock_vm_event(enum vm_event_item item)
{
	static unsigned long events[NR_VM_EVENT_ITEMS];

	if (!IS_ENABLED(CONFIG_VM_EVENT_COUNTERS))
		return 0;

	all_vm_events(events);
	return events[item];
}

/**
 * mock_count - All counts at this moment.
 * @counts: Filled in.
 *
 * Context: A test case: nobody else changes them. May sleep.
 */
void mock_count(struct mock_counts *counts)
{
	int order, item;

	lru_add_drain_all();
	counts->anon_mapped = mock_node_state(NR_ANON_MAPPED);
	counts->anon_thps = mock_node_state(NR_ANON_THPS);
	counts->file_mapped = mock_node_state(NR_FILE_MAPPED);
	counts->lru = mock_node_state(NR_INACTIVE_ANON) +
		      mock_node_state(NR_ACTIVE_ANON) +
		      mock_node_state(NR_UNEVICTABLE);
	counts->mlock = mock_zone_state(NR_MLOCK);
	counts->tables = mock_node_state(NR_PAGETABLE);
	counts->oom_kill = mock_vm_event(OOM_KILL);

	for (order = 0; order < MOCK_NR_ORDERS; order++)
		for (item = 0; item < NR_MTHP_STATS; item++)
			counts->mthp[order][item] = sum_mthp_stat(order, item);
}

/**
 * mock_leak_check_init - A suite's suite_init for mock_leak_check().
 * @suite: The suite.
 *
 * Return: 0.
 */
int mock_leak_check_init(struct kunit_suite *suite)
{
	rcu_barrier();
	mock_count(&mock_counts_before);
	return 0;
}

/**
 * mock_leak_check - A suite's last test case: all that was taken came back.
 * @test: The test.
 */
void mock_leak_check(struct kunit *test)
{
	static const enum mthp_stat_item balanced[] = {
		MTHP_STAT_NR_ANON,
		MTHP_STAT_NR_ANON_PARTIALLY_MAPPED,
	};
	static struct mock_counts now;
	const struct mock_counts *before = &mock_counts_before;
	int order, i;

	/* Page tables are freed after a grace period */
	rcu_barrier();
	mock_count(&now);

	KUNIT_EXPECT_EQ(test, now.anon_mapped, before->anon_mapped);
	KUNIT_EXPECT_EQ(test, now.anon_thps, before->anon_thps);
	KUNIT_EXPECT_EQ(test, now.file_mapped, before->file_mapped);
	KUNIT_EXPECT_EQ(test, now.lru, before->lru);
	KUNIT_EXPECT_EQ(test, now.mlock, before->mlock);
	KUNIT_EXPECT_EQ(test, now.tables, before->tables);
	KUNIT_EXPECT_EQ(test, now.oom_kill, before->oom_kill);

	for (order = 0; order <= HPAGE_PMD_ORDER; order++)
		for (i = 0; i < ARRAY_SIZE(balanced); i++)
			KUNIT_EXPECT_EQ_MSG(test, now.mthp[order][balanced[i]],
					    before->mthp[order][balanced[i]],
					    "order %d, %s", order,
					    i ? "nr_anon_partially_mapped" : "nr_anon");
}
