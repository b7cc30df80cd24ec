# SPDX-License-Identifier: GPL-2.0
#
# kunit.py --qemu_config: arm64 with 64K pages and 52-bit addresses, whose bits
# [51:48] a PTE keeps below the others.

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='arm64',
			   kconfig='''
CONFIG_DEBUG_ATOMIC_SLEEP=y
CONFIG_SERIAL_AMBA_PL011=y
CONFIG_SERIAL_AMBA_PL011_CONSOLE=y
CONFIG_ARM64_64K_PAGES=y
CONFIG_ARM64_PA_BITS_52=y''',
			   qemu_arch='aarch64',
			   kernel_path='arch/arm64/boot/Image.gz',
			   kernel_command_line='console=ttyAMA0',
			   extra_qemu_params=['-machine', 'virt,mte=on', '-cpu', 'max,pauth-impdef=on'])
